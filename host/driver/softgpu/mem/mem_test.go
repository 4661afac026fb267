// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"errors"
	"math/rand/v2"
	"testing"
)

func TestDevice(t *testing.T) {
	t.Parallel()
	s := NewSpace()
	d, err := NewDevice(s, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a, err := d.Alloc(1000, Range{})
	if err != nil || a%Granularity != 0 {
		t.Fatal(a, err)
	}
	Bytes(a, 1000)[999] = 7
	if !s.Holds(a, 1000) || s.Holds(a, 1001) || s.Holds(a+1000, 1) || s.Holds(a-1, 1) {
		t.Error("the bounds of an allocation are not those asked for")
	}
	if s.Live(a, 600) != 600 || s.Live(a+100, 5000) != 900 || s.Live(a+1000, 1) != 0 {
		t.Error("Live does not end where the allocation does")
	}
	if free, total := d.Info(); total != 1<<20 || free != 1<<20-1024 {
		t.Errorf("Info = %d, %d", free, total)
	}
	if _, err := d.Alloc(1<<20, Range{}); !errors.Is(err, ErrNoMemory) {
		t.Errorf("an allocation beyond the memory gave %v", err)
	}
	if d.Free(a+256) || !d.Free(a) || d.Free(a) {
		t.Error("Free takes what it should not, or does not take what it should")
	}
	if s.Holds(a, 1) {
		t.Error("freed memory is live")
	}
}

func TestDeviceNeverOverlaps(t *testing.T) {
	t.Parallel()
	s := NewSpace()
	d, err := NewDevice(s, 1, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := rand.New(rand.NewPCG(1, 2))
	live := map[uint64]uint64{}
	for range 3000 {
		if len(live) > 20 || r.IntN(3) == 0 {
			for a := range live {
				if !d.Free(a) {
					t.Fatalf("free %x failed", a)
				}
				delete(live, a)
				break
			}
			continue
		}
		n := r.Uint64N(1<<18) + 1
		a, err := d.Alloc(n, Range{})
		if err != nil {
			t.Fatal(err)
		}
		for b, m := range live {
			if a < b+m && b < a+n {
				t.Fatalf("%x+%x overlaps %x+%x", a, n, b, m)
			}
		}
		live[a] = n
	}
	for a := range live {
		d.Free(a)
	}
	if free, total := d.Info(); free != total || len(d.free) != 1 {
		t.Errorf("%d of %d free in %d pieces after all is freed", free, total, len(d.free))
	}
}

func TestSpaceRefusesOverlap(t *testing.T) {
	t.Parallel()
	s := NewSpace()
	for _, c := range []struct {
		lo, hi uint64
		ok     bool
	}{{100, 200, true}, {200, 300, true}, {150, 160, false}, {0, 101, false}, {299, 400, false}, {50, 50, false}} {
		if err := s.Add(Range{Lo: c.lo, Hi: c.hi, Device: Host}); (err == nil) != c.ok {
			t.Errorf("Add(%d, %d) = %v", c.lo, c.hi, err)
		}
	}
}
