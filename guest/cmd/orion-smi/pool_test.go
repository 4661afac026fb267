// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

func testPool() *poolv1.Pool {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return &poolv1.Pool{
		At: timestamppb.New(at), Release: "1.2.3",
		Nodes: []*poolv1.NodeStatus{
			{Node: &poolv1.Node{Name: "node-a", VgpuCount: 4, Gpus: []*poolv1.GPU{
				{Index: 0, Uuid: "GPU-0", Name: "NVIDIA H200", MemoryBytes: 143771 << 20, UsedBytes: 513 << 20, DriverVersion: "580.65.06"},
				{Index: 1, Uuid: "GPU-1", Name: "NVIDIA H200", MemoryBytes: 143771 << 20, DriverVersion: "580.65.06"},
			}}, State: poolv1.NodeStatus_STATE_READY, Granted: []*poolv1.Granted{{Vgpus: 2, MemoryBytes: 512 << 20, RatioPercent: 50}, {}}},
			{Node: &poolv1.Node{Name: "node-b\x1b[2J", VgpuCount: 2}, State: poolv1.NodeStatus_STATE_LOST},
		},
		Leases: []*poolv1.Lease{
			{Id: "1", Node: "node-a", Program: "/opt/a/path/that/is/rather/long/for/a/table/train.py", Pid: 4711, Host: "vm-1", GrantedAt: timestamppb.New(at.Add(-90 * time.Second)),
				Vgpus: []*poolv1.VGPU{{Node: "node-a", MemoryBytes: 256 << 20, RatioPercent: 25}}},
			{Id: "2", Node: "node-a", Program: "infer", GrantedAt: timestamppb.New(at.Add(time.Second)),
				Vgpus: []*poolv1.VGPU{{Node: "node-a", MemoryBytes: 256 << 20, RatioPercent: 25}}},
		},
	}
}

// TestTables compares with testdata; UPDATE=1 writes it anew.
func TestTables(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*poolv1.Pool{"pool": testPool(), "empty": {Release: "1.2.3"}} {
		var b strings.Builder
		if err := writeTablesAs("1.2.4", &b, p); err != nil {
			t.Fatal(err)
		}
		_, got, _ := strings.Cut(b.String(), "\n") // the time is the reader's own
		path := "testdata/" + name + ".txt"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
	}
}

func TestLinesAreOfOneLength(t *testing.T) {
	t.Parallel()
	p := testPool()
	p.Nodes[0].Node.Name = "日本"
	p.Nodes[0].Granted = nil // a controller that tells less than it should
	var b strings.Builder
	if err := writeTables(&b, p); err != nil {
		t.Fatal(err)
	}
	width := 0
	for i, line := range strings.Split(b.String(), "\n")[1:] {
		n := len([]rune(line))
		if n == 0 {
			width = 0
			continue
		}
		if width != 0 && n != width {
			t.Errorf("line %d has %d characters, the one before %d: %s", i, n, width, line)
		}
		width = n
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 2*time.Hour + 3*time.Minute: "2h03m", 49 * time.Hour: "2d01h",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %s, want %s", d, got, want)
		}
	}
}
