// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/wire"
)

// waiter is how the uplink passes the time: it watches the ring for a moment, then sleeps until the program
// rings, the downlink asks, or it is time to look at what has no bell.
type waiter struct {
	fds      [2]unix.PollFd
	spin     time.Duration
	lastNews time.Time
	lastSent time.Time
	lastDiff time.Time
	diffTook time.Duration
}

func newWaiter(s *session) waiter {
	w := waiter{spin: time.Millisecond, lastNews: time.Now(), lastSent: time.Now()}
	if fewCores() {
		w.spin = 20 * time.Microsecond
	}
	w.fds = [2]unix.PollFd{{Fd: int32(s.client), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
	return w
}

// signOfLife says that it is time for one, unless something is sent anyway.
func (w *waiter) signOfLife(sending bool) bool {
	now := time.Now()
	due := !sending && now.Sub(w.lastSent) >= carry.PingEvery
	if sending || due {
		w.lastSent = now
	}
	return due
}

// timed notes when shared memory was looked at, and for how long.
func (w *waiter) timed(look func() (changed bool)) {
	start := time.Now()
	if look() {
		w.lastNews = start
	}
	w.lastDiff = time.Now()
	w.diffTook = w.lastDiff.Sub(start)
}

// sharedDue says whether it is time to look at shared memory though no command asks.
func (w *waiter) sharedDue(u *uplink) bool {
	return !u.pinned.shared.Empty() && time.Since(w.lastDiff) >= w.diffPause()
}

// diffPause is for how long shared memory is left alone: little while the program is active, more the longer it
// has not been, and never so little that looking is all that the relay does.
func (w *waiter) diffPause() time.Duration {
	return max(8*w.diffTook, min(100*time.Millisecond, max(2*time.Millisecond, time.Since(w.lastNews)/16)))
}

// await returns when there is news, or it is time to look.
func (w *waiter) await(u *uplink) error {
	start := time.Now()
	for i := 1; time.Since(start) < w.spin; i++ {
		for range 32 {
			if u.news() {
				w.lastNews = time.Now()
				return nil
			}
		}
		runtime.Gosched()
	}
	// The program stores the tail, then loads this flag; here the flag is stored, then the tail loaded: one of
	// both sees the other's store.
	u.region.Store32(wire.RingParked, 1)
	defer u.region.Store32(wire.RingParked, 0)
	if u.news() {
		w.lastNews = time.Now()
		return nil
	}
	pause := max(0, carry.PingEvery-time.Since(w.lastSent))
	if !u.pinned.shared.Empty() {
		pause = min(pause, w.diffPause())
	}
	if u.answersAwaited() {
		pause = min(pause, time.Millisecond, max(50*time.Microsecond, time.Since(w.lastNews)/8))
	}
	t := unix.NsecToTimespec(int64(pause))
	if _, err := unix.Ppoll(w.fds[:], &t, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the program: %w", err)
	}
	var b [64]byte
	if w.fds[1].Revents != 0 {
		_, _ = unix.Read(u.wake, b[:8])
		w.lastNews = time.Now()
	}
	if w.fds[0].Revents == 0 {
		return nil
	}
	n, _, err := unix.Recvfrom(u.client, b[:], unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil || n == 0:
		return errGone
	}
	w.lastNews = time.Now()
	return nil
}
