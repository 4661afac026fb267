// SPDX-License-Identifier: Apache-2.0

package twin

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
)

const regionSize = 64 << 10

func newRegion(t testing.TB) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, regionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return b
}

// pair is both sides of a shared range.
type pair struct {
	memory [2][]byte
	set    [2]*Set
}

func newPair(t testing.TB, offset, n uint64) *pair {
	t.Helper()
	p := &pair{}
	for i := range p.set {
		p.memory[i] = newRegion(t)
		p.set[i] = New(p.memory[i])
		if err := p.set[i].Add(offset, n, false); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.set[i].Close)
	}
	return p
}

// send brings one side's changes to the other and returns how many bytes that took.
func (p *pair) send(t testing.TB, from, limit int) (bytes int) {
	t.Helper()
	type patch struct {
		offset uint64
		b      []byte
	}
	var all []patch
	p.set[from].Diff(limit, func(offset uint64, b []byte) { all = append(all, patch{offset, append([]byte(nil), b...)}) })
	for _, a := range all {
		if len(a.b) > limit {
			t.Fatalf("a patch of %d bytes, limit %d", len(a.b), limit)
		}
		bytes += len(a.b)
		if err := p.set[1-from].Apply(a.offset, a.b); err != nil {
			t.Fatal(err)
		}
	}
	return bytes
}

func TestDifferent(t *testing.T) {
	t.Parallel()
	for range 10000 {
		a, b := rand.Uint64(), rand.Uint64()
		b = a ^ b&rand.Uint64()&rand.Uint64()&rand.Uint64()&rand.Uint64()
		want := uint64(0)
		for i := range 8 {
			if byte(a>>(8*i)) != byte(b>>(8*i)) {
				want |= 1 << i
			}
		}
		if got := different(a, b); got != want {
			t.Fatalf("different(%#x, %#x) = %08b, want %08b", a, b, got, want)
		}
	}
}

// Both sides write all over one range, each its own bytes of the same lines, and see what the other wrote.
func TestBothSidesWrite(t *testing.T) {
	t.Parallel()
	p := newPair(t, page, 8*page)
	want := make([]byte, 8*page)
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		for range 400 {
			at := random.IntN(len(want))
			v := byte(random.Uint32())
			want[at] = v
			p.memory[at/3%2][page+at] = v // whose byte it is depends on its place
		}
		if round%5 == 0 {
			for i := 2 * page; i < 4*page; i++ {
				want[i] = byte(round)
				p.memory[i/3%2][page+i] = byte(round)
			}
		}
		p.send(t, 0, MinPatch)
		p.send(t, 1, 1<<20)
		for i := range p.memory {
			if !bytes.Equal(p.memory[i][page:9*page], want) {
				t.Fatalf("round %d: side %d differs", round, i)
			}
		}
	}
	if n := p.send(t, 0, MinPatch) + p.send(t, 1, MinPatch); n != 0 {
		t.Errorf("%d bytes sent though nothing has changed", n)
	}
	if !bytes.Equal(p.memory[0][:page], make([]byte, page)) || !bytes.Equal(p.memory[1][9*page:], make([]byte, regionSize-9*page)) {
		t.Error("memory beside the shared range has changed")
	}
}

func TestStoreAgrees(t *testing.T) {
	t.Parallel()
	p := newPair(t, page, page)
	b := bytes.Repeat([]byte{7}, 2*page)
	p.set[0].Store(page/2, b) // half of it is shared
	if !bytes.Equal(p.memory[0][page/2:][:2*page], b) {
		t.Fatal("the memory was not stored")
	}
	if n := p.send(t, 0, 1<<20); n != 0 {
		t.Errorf("%d bytes of what the other side has were sent to it", n)
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	s := New(newRegion(t))
	defer s.Close()
	for _, c := range []struct {
		offset, n uint64
		ok        bool
	}{
		{4 * page, page, true}, {2 * page, page, true}, {3 * page, page, true}, {3 * page, page, false}, {page, 2 * page, false},
		{0, 5 * page, false}, {4*page + 8, page, false}, {8 * page, 8, false}, {8 * page, 0, false}, {regionSize, page, false},
		{regionSize - page, 2 * page, false}, {1 << 63, 1 << 63, false}, {^uint64(page - 1), page, false}, {0, page, true},
	} {
		if err := s.Add(c.offset, c.n, true); (err == nil) != c.ok {
			t.Errorf("share %#x bytes at %#x: %v", c.n, c.offset, err)
		}
	}
	for _, c := range []struct {
		offset, n uint64
		in        bool
	}{{0, page, true}, {0, page + 1, false}, {8, 8, true}, {page, 1, false}, {2 * page, 1, true}, {5*page - 1, 1, true}, {5 * page, 1, false}} {
		if got := s.Contains(c.offset, c.n); got != c.in {
			t.Errorf("%d bytes at %#x shared: %v", c.n, c.offset, got)
		}
	}
	if n := s.Bytes(); n != 4*page {
		t.Errorf("%d bytes are shared, want %d", n, 4*page)
	}
	s.Remove(3*page, page)
	if s.Contains(3*page, 1) || !s.Contains(2*page, 1) || !s.Contains(4*page, 1) {
		t.Error("the wrong part was removed")
	}
	if n := s.Bytes(); n != 3*page {
		t.Errorf("%d bytes are shared, want %d", n, 3*page)
	}
	s.Close()
	if !s.Empty() {
		t.Error("closed, and not empty")
	}
}

// Whatever comes as a patch, only shared memory changes.
func FuzzApply(f *testing.F) {
	le := binary.LittleEndian
	f.Add(uint64(page), le.AppendUint64(le.AppendUint32(nil, 0), 1))
	f.Add(uint64(page), append(le.AppendUint64(le.AppendUint32(nil, 63), 1<<63|1), 5, 6))
	f.Add(uint64(0), append(le.AppendUint64(le.AppendUint32(nil, 1<<32-1), 1), 5))
	f.Fuzz(func(t *testing.T, offset uint64, patch []byte) {
		region := newRegion(t)
		s := New(region)
		defer s.Close()
		if err := s.Add(page, 2*page, false); err != nil {
			t.Fatal(err)
		}
		_ = s.Apply(offset, patch)
		if !bytes.Equal(region[:page], make([]byte, page)) || !bytes.Equal(region[3*page:], make([]byte, regionSize-3*page)) {
			t.Fatal("memory that is not shared has changed")
		}
		if s.Diff(1<<20, func(uint64, []byte) {}) {
			t.Fatal("what came from the other side is not agreed on")
		}
	})
}

func BenchmarkDiff(b *testing.B) {
	for name, change := range map[string]bool{"unchanged": false, "all": true} {
		b.Run(name, func(b *testing.B) {
			memory, err := unix.Mmap(-1, 0, 16<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			if err != nil {
				b.Fatal(err)
			}
			defer unix.Munmap(memory)
			s := New(memory)
			defer s.Close()
			if err := s.Add(0, 16<<20, true); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(16 << 20)
			for i := 0; b.Loop(); i++ {
				if change {
					b.StopTimer()
					for j := range memory {
						memory[j] = byte(i + 1)
					}
					b.StartTimer()
				}
				s.Diff(256<<10, func(uint64, []byte) {})
			}
		})
	}
}

// What is sent as a whole is what both sides then have, so that only later changes follow, and those all.
func TestSendAgrees(t *testing.T) {
	t.Parallel()
	p := newPair(t, page, 2*page)
	fill := func(v byte) {
		for i := range p.memory[0][:3*page] {
			p.memory[0][i] = v
		}
	}
	fill(7)
	p.set[0].Send(page/2, page, 1000, func(offset uint64, b []byte) {
		if len(b) > 1000 {
			t.Errorf("a piece of %d bytes", len(b))
		}
		p.set[1].Store(offset, b)
	})
	fill(0) // as it was before it was sent
	p.send(t, 0, MinPatch)
	if got := p.memory[1][page : 3*page]; !bytes.Equal(got, make([]byte, 2*page)) {
		t.Error("a change back to what was there first was not sent")
	}
}
