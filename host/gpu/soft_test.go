// SPDX-License-Identifier: Apache-2.0

package gpu

import (
	"regexp"
	"testing"
)

func TestSoftUUID(t *testing.T) {
	t.Parallel()
	if a, b := SoftUUID("a", 0), SoftUUID("a", 0); a != b {
		t.Errorf("the same GPU has two identities: %x and %x", a, b)
	}
	// Written down: clients and records of earlier releases know software GPUs by it.
	if got, want := FormatUUID(SoftUUID("node", 1)), "GPU-0ac07ed9-d148-82bd-a7be-45042d0d6556"; got != want {
		t.Errorf("FormatUUID(SoftUUID(node, 1)) = %s, want %s", got, want)
	}
	seen := map[[16]byte]string{}
	for _, node := range []string{"a", "b", "a1", ""} {
		for i := range 12 {
			id := SoftUUID(node, i)
			if other, ok := seen[id]; ok {
				t.Errorf("%s/%d has the identity of %s", node, i, other)
			}
			seen[id] = node
		}
	}
}

func TestSoft(t *testing.T) {
	t.Parallel()
	s, err := NewSoft("node", 3, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	devices, err := s.Devices()
	if err != nil || len(devices) != 3 {
		t.Fatalf("Devices() = %v, %v; want 3 devices", devices, err)
	}
	form := regexp.MustCompile(`^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	for i, d := range devices {
		if d.Index != i || d.MemoryBytes != 1<<30 || !form.MatchString(d.UUID) {
			t.Errorf("device %d is %+v", i, d)
		}
	}
	devices[0].UUID = "changed"
	if again, _ := s.Devices(); again[0].UUID == "changed" {
		t.Error("a caller can change the inventory through the slice that it got")
	}
}

func TestNewSoftRefusesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		count  int
		memory uint64
	}{{0, 1}, {-1, 1}, {1, 0}} {
		if _, err := NewSoft("n", c.count, c.memory); err == nil {
			t.Errorf("NewSoft(%d, %d) succeeded", c.count, c.memory)
		}
	}
}
