// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/proto/wire/ring"
)

// errGone is the ordinary end of a session: the client has closed its side.
var errGone = errors.New("the client is gone")

// consumer consumes the command ring. It belongs to one goroutine.
type consumer struct {
	region *region
	head   uint64
	buffer []byte // the copy of the command being run
	socket int
	mail   *mail
	client int // pidfd of the client, -1 if unknown
	spin   time.Duration
}

// longestSpin is how long either side spins for the other at most: a client that waits for it, and a worker whose
// client does.
const longestSpin = 200 * time.Millisecond

// spinTime is how long an empty ring is watched before its consumer sleeps, from the client's last sign of life. With
// few cores the client needs them more.
func spinTime() time.Duration {
	if fewCores() {
		return 50 * time.Microsecond
	}
	return time.Millisecond
}

// yield lets another thread have the core, if one waits for it.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

func fewCores() bool { return runtime.NumCPU() < 4 }

// next returns the next command, waiting for it. The command is valid until the call after.
func (r *consumer) next() (ring.Command, error) {
	for {
		tail := atomic.LoadUint64(r.region.word64(wire.RingTail))
		if tail == r.head {
			if err := r.await(); err != nil {
				return ring.Command{}, err
			}
			continue
		}
		if err := ring.Check(r.head, tail); err != nil {
			return ring.Command{}, err
		}
		c, err := r.take(tail - r.head)
		if err != nil || !c.Filler() {
			return c, err
		}
	}
}

// take copies the command at the head out of the ring.
func (r *consumer) take(available uint64) (ring.Command, error) {
	c, size, err := ring.Take(r.region.bytes(wire.RingOffset, wire.RingSize), r.head, available, r.buffer)
	if err == nil {
		r.advance(size)
	}
	return c, err
}

func (r *consumer) advance(n uint64) {
	r.head += n
	atomic.StoreUint64(r.region.word64(wire.RingHead), r.head)
}

// await returns when the ring has something, or with errGone when the client has gone.
//
// A client that spins until the GPU has done its work goes on as soon as it has, and each turn of such a program would
// begin with waking its worker: up to 0.4 ms on a virtual machine. So the worker spins as long as the client does.
func (r *consumer) await() error {
	start := time.Now()
	alive, beat := start, r.region.load32(wire.RingBeat)
	for i := 1; ; i++ {
		if atomic.LoadUint64(r.region.word64(wire.RingTail)) != r.head {
			return nil
		}
		pause()
		if i%64 != 0 {
			continue
		}
		now := time.Now()
		if b := r.region.load32(wire.RingBeat); b != beat {
			alive, beat = now, b
		}
		if now.Sub(alive) > r.spin || now.Sub(start) > longestSpin {
			break
		}
		switch {
		case fewCores():
			runtime.Gosched() // a software GPU's stream, say, has nowhere else to run
		case now.Sub(start) > r.spin:
			yield() // others may have a use for the core
		}
	}
	for {
		// The client stores the tail, then loads this flag; here the flag is stored, then the tail loaded: one
		// of both sees the other's store, so no command waits for a sleeper.
		r.region.store32(wire.RingParked, 1)
		if atomic.LoadUint64(r.region.word64(wire.RingTail)) != r.head {
			r.region.store32(wire.RingParked, 0)
			return nil
		}
		if err := r.sleep(); err != nil {
			return err
		}
	}
}

// sleep waits for a byte on the socket, or its end.
func (r *consumer) sleep() error {
	fds := []unix.PollFd{{Fd: int32(r.socket), Events: unix.POLLIN}, {Fd: int32(r.client), Events: unix.POLLIN}}
	if r.client < 0 {
		fds = fds[:1]
	}
	if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the client: %w", err)
	}
	if len(fds) > 1 && fds[1].Revents != 0 {
		return errGone
	}
	if fds[0].Revents == 0 {
		return nil
	}
	n, err := r.mail.read()
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil || n == 0:
		return errGone
	}
	return nil
}
