// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

// meter is memory as a test says it is, and counts the looks.
type meter struct{ used, looks atomic.Uint64 }

func (m *meter) usage() (uint64, error) {
	m.looks.Add(1)
	return m.used.Load(), nil
}

// While commands come it is looked at five times a second, and soon after the last one not at all.
func TestHostMemoryRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var used meter
		m := newHostMemory(64<<30, used.usage)
		ended := make(chan error, 1)
		go func() { ended <- m.watch() }()
		looks := func(d time.Duration) uint64 {
			before := used.looks.Load()
			time.Sleep(d)
			synctest.Wait()
			return used.looks.Load() - before
		}
		const rest = 2 * lookRest
		looks(rest)
		if n := looks(time.Hour); n != 0 {
			t.Errorf("%d looks at a session that has run no command", n)
		}
		for range 3 {
			m.note()
			if n := looks(rest); n == 0 || n > 10 {
				t.Errorf("%d looks after a command, want few", n)
			}
			if n := looks(time.Hour); n != 0 {
				t.Errorf("%d looks at an idle session", n)
			}
		}
		before := used.looks.Load()
		for range 1000 {
			m.note()
			time.Sleep(10 * time.Millisecond)
		}
		if n := used.looks.Load() - before; n < 45 || n > 55 {
			t.Errorf("%d looks in 10 s with commands, want 50", n)
		}
		m.note()
		for range 100 { // without commands: a kernel's doing, say
			used.used.Add(2 * lookGrowth)
			time.Sleep(time.Second)
		}
		if n := looks(2 * time.Second); n == 0 {
			t.Error("memory grows and nobody looks")
		}
		looks(rest)
		used.used.Store(64<<30 + 1)
		m.note()
		if err := <-ended; !strings.Contains(err.Error(), "65536 MiB") || !strings.Contains(err.Error(), "host_memory_mib") {
			t.Errorf("the reason is %q", err)
		}
	})
}

// A process that fills memory as fast as one can is stopped near the bound.
func TestHostMemoryIsStoppedInTime(t *testing.T) {
	t.Parallel()
	for _, limit := range []uint64{128 << 20, 1 << 30, 16 << 30} {
		t.Run(fmt.Sprint(limit>>20), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var used meter
				m := newHostMemory(limit, used.usage)
				ended := make(chan error, 1)
				go func() { ended <- m.watch() }()
				m.note()
				for ; len(ended) == 0; time.Sleep(time.Millisecond) {
					used.used.Add(4 << 20) // 4 GiB/s
					synctest.Wait()
				}
				over := used.used.Load() - limit
				if over > limit/4+(40<<20) {
					t.Errorf("%d MiB beyond %d", over>>20, limit>>20)
				}
			})
		})
	}
}

func TestHostMemoryAdmits(t *testing.T) {
	t.Parallel()
	var none *hostMemory
	if err := none.admits(1 << 40); err != nil {
		t.Errorf("without a bound: %v", err)
	}
	broken := newHostMemory(1<<30, func() (uint64, error) { return 0, errors.New("broken") })
	if err := broken.admits(1 << 29); err == nil {
		t.Error("what cannot be read is no bound")
	}
	for _, c := range []struct {
		used, more uint64
		ok         bool
	}{
		{100 << 20, smallImage, true},
		{100 << 20, 924 << 20, true},
		{100 << 20, 925 << 20, false},
		{2 << 30, smallImage, false},
		{2 << 30, smallImage - 1, true}, // the next look ends the session
		{0, 1<<64 - 1, false},
	} {
		m := newHostMemory(1<<30, func() (uint64, error) { return c.used, nil })
		if err := m.admits(c.more); (err == nil) != c.ok {
			t.Errorf("%d MiB, %d more: %v", c.used>>20, c.more>>20, err)
		}
	}
}

// What Go has not collected yet is no reason to end a session.
func TestHostMemoryCollects(t *testing.T) {
	t.Parallel()
	used := []uint64{2 << 30, 1 << 20, 1 << 20, 1 << 20}
	m := newHostMemory(1<<30, func() (uint64, error) {
		n := used[0]
		if len(used) > 1 {
			used = used[1:]
		}
		return n, nil
	})
	if n, err := m.check(0); err != nil || n != 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// An image that would pass the bound is refused with words for the log, and the session goes on.
func TestImageBeyondHostMemory(t *testing.T) {
	t.Parallel()
	s, _ := fakeServer(anyRegion(t))
	s.hostMemory = newHostMemory(64<<20, func() (uint64, error) { return 1 << 20, nil })
	stage, _ := s.region.stagePart(0)
	if _, r := s.onImageAppend(s.api, 100<<20, stage, 8, 1); r != driver.ErrorOutOfMemory || s.image != nil {
		t.Errorf("got %v, and %d bytes are kept", r, cap(s.image))
	}
	if _, r := s.onImageAppend(s.api, 32<<20, stage, 8, 1); r != driver.Success {
		t.Errorf("an image that fits: %v", r)
	}
}

func TestPrivateMemory(t *testing.T) {
	t.Parallel()
	status, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer status.Close()
	before, err := privateMemory(int(status.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	const n = 256 << 20
	fill := func(flags int) {
		b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANONYMOUS|unix.MAP_POPULATE|flags)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Munmap(b) })
	}
	fill(unix.MAP_SHARED)
	shared, err := privateMemory(int(status.Fd()))
	if err != nil || shared > before+n/2 {
		t.Errorf("%d MiB before, %d with shared memory, %v", before>>20, shared>>20, err)
	}
	fill(unix.MAP_PRIVATE)
	private, err := privateMemory(int(status.Fd()))
	if err != nil || private < shared+n/2 {
		t.Errorf("%d MiB before, %d with private memory, %v", shared>>20, private>>20, err)
	}
}

func TestStatusKiB(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status string
		want   uint64
		ok     bool
	}{
		{"Name:\tx\nRssAnon:\t    1234 kB\nRssFile:\t 5 kB\n", 1234, true},
		{"Name:\tx\nRssAnon:\t0 kB\n", 0, true},
		{"Name:\tx\nRssFile:\t5 kB\n", 0, false},
		{"Name:\tx\nRssAnon:\t5", 0, false},
		{"Name:\tx\nRssAnon:\t-5 kB\n", 0, false},
		{"Name:\tx\nRssAnon:\t99999999999999999999 kB\n", 0, false},
	} {
		if n, err := statusKiB([]byte(c.status), "\nRssAnon:"); n != c.want || (err == nil) != c.ok {
			t.Errorf("%q: %d, %v", c.status, n, err)
		}
	}
}
