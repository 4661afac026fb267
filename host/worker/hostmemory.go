// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// hostMemory bounds the private memory of this process: what a client can have its worker and the driver keep by
// images, graphs, streams and the like. Memory that is shared, as the region and software GPUs' memory are, is not in
// it and has bounds of its own.
//
// One goroutine looks, beside the ring's: a single command may take long and much. It rests while no commands come.
type hostMemory struct {
	limit uint64
	usage func() (uint64, error)
	state atomic.Int32 // of the goroutine that looks
	wake  chan struct{}
}

const (
	looksSoon   = iota // no command has come since the last look
	looksOften         // one has
	looksAtRest        // none has come for a while; the next one wakes it
	looksNoMore        // the session is over
)

const (
	lookPeriod  = 200 * time.Millisecond // while commands come
	lookShortly = 5 * time.Millisecond   // near the bound
	lookRest    = 10 * time.Second       // without a command, after which nothing is looked at
	fillRate    = 8                      // bytes that a process can fill in a nanosecond, about
	lookGrowth  = 1 << 20                // without a command: something is still at work
	smallImage  = 16 << 20               // is not worth a look of its own
)

func newHostMemory(limit uint64, usage func() (uint64, error)) *hostMemory {
	return &hostMemory{limit: limit, usage: usage, wake: make(chan struct{}, 1)}
}

// note tells of a command, before it is run. After the bound was passed it does not return.
func (m *hostMemory) note() {
	if m == nil || m.state.Load() == looksOften {
		return
	}
	for {
		switch old := m.state.Load(); {
		case old == looksNoMore:
			select {} // the process is about to end
		case m.state.CompareAndSwap(old, looksOften):
			if old == looksAtRest {
				m.wake <- struct{}{}
			}
			return
		}
	}
}

// watch returns why the session has to end, once it has to.
func (m *hostMemory) watch() error {
	var last uint64
	var quiet time.Duration // since a command came, or memory grew
	for {
		var pause time.Duration
		if quiet > 0 && m.state.CompareAndSwap(looksSoon, looksAtRest) && m.rest(quiet) {
			pause = quiet
		} else {
			// The sooner, the nearer the bound is: what a client takes beyond it stays small beside it.
			pause = min(lookPeriod, max(lookShortly, time.Duration((m.limit-min(last, m.limit))/fillRate)))
			time.Sleep(pause)
		}
		used, err := m.check(0)
		if err != nil {
			m.state.Store(looksNoMore)
			return err
		}
		if m.state.CompareAndSwap(looksOften, looksSoon) || used > last+lookGrowth {
			quiet = 0
		} else {
			quiet += pause
		}
		last = used
	}
}

// rest waits as long as no command has come already, and is false if one comes meanwhile. After lookRest it waits for one.
func (m *hostMemory) rest(quiet time.Duration) bool {
	var end <-chan time.Time
	if quiet < lookRest {
		end = time.After(quiet)
	}
	select {
	case <-m.wake:
		return false
	case <-end:
	}
	if m.state.CompareAndSwap(looksAtRest, looksSoon) {
		return true
	}
	<-m.wake // just now
	return false
}

// check says how much is used, and why more bytes cannot be.
func (m *hostMemory) check(more uint64) (used uint64, err error) {
	if used, err = m.usage(); err != nil || m.fits(used, more) {
		return used, err
	}
	// What Go has yet to give back is not the client's.
	if used, err = m.during(debug.FreeOSMemory); err != nil || m.fits(used, more) {
		return used, err
	}
	return used, fmt.Errorf("the program's images, graphs, streams and the like take %d MiB of its host's memory: host_memory_mib in oriond's server.conf allows %d MiB",
		(used+more)>>20, m.limit>>20)
}

func (m *hostMemory) fits(used, more uint64) bool { return used <= m.limit && more <= m.limit-used }

// during runs f and returns what is used afterwards, or before it is done when that has become far too much.
func (m *hostMemory) during(f func()) (uint64, error) {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	for {
		select {
		case <-done:
			return m.usage()
		case <-time.After(lookShortly):
			if used, err := m.usage(); err != nil || used > m.limit+m.limit/4 {
				return used, err
			}
		}
	}
}

// admits says whether an image of n bytes may be taken.
func (m *hostMemory) admits(n uint64) error {
	if m == nil || n < smallImage {
		return nil
	}
	_, err := m.check(n)
	return err
}

// boundHostMemory begins to bound the private memory of this process, where the session has a bound. Memory that is
// kept twice because both sides of a stream write to it goes with the region, and is not counted.
func (s *server) boundHostMemory() error {
	if s.cfg.HostMemoryBytes == 0 {
		return nil
	}
	status, err := unix.Open("/proc/self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bound this session's memory of the host (host_memory_mib): %w", err)
	}
	m := newHostMemory(s.cfg.HostMemoryBytes, func() (uint64, error) {
		if s.carrier == nil {
			return privateMemory(status)
		}
		before := s.carrier.TwinBytes()
		n, err := privateMemory(status)
		return n - min(n, max(before, s.carrier.TwinBytes())), err // twins come and go meanwhile
	})
	used, err := m.usage()
	if err != nil {
		return err
	}
	if used > m.limit {
		return fmt.Errorf("host_memory_mib in oriond's server.conf is %d: a worker with this driver needs %d MiB before it runs anything",
			m.limit>>20, used>>20)
	}
	s.hostMemory = m
	return nil
}

// watchHostMemory ends this process, and with it the session, when the client has it take too much.
func (s *server) watchHostMemory() {
	reason := s.hostMemory.watch()
	s.conclude(reason, func() {
		if s.carrier != nil { // a command may still be running, and take more
			_, _ = s.hostMemory.during(s.carrier.Finish)
		}
		os.Exit(ExitHostMemory)
	})
}

// privateMemory reads from a process's open status file in /proc how many bytes of memory are its own, and not files'
// or shared: resident or swapped out.
func privateMemory(status int) (uint64, error) {
	var b [4096]byte
	n, err := unix.Pread(status, b[:], 0)
	if err != nil {
		return 0, fmt.Errorf("read this process's memory: %w", err)
	}
	var total uint64
	for _, name := range []string{"\nRssAnon:", "\nVmSwap:"} {
		kib, err := statusKiB(b[:n], name)
		if err != nil {
			return 0, err
		}
		total += kib << 10
	}
	return total, nil
}

var errStatus = errors.New("read this process's memory: its status lacks it")

// statusKiB is the number of a line such as "VmSwap:	       0 kB".
func statusKiB(status []byte, name string) (uint64, error) {
	_, line, found := bytes.Cut(status, []byte(name))
	value, _, complete := bytes.Cut(line, []byte(" kB\n"))
	if !found || !complete {
		return 0, errStatus
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 54)
	if err != nil {
		return 0, errStatus
	}
	return n, nil
}
