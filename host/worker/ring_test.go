// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
)

// TestSpinEnds: a client that says for ever that it spins does not have its worker spin for ever.
func TestSpinEnds(t *testing.T) {
	t.Parallel()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	r := &consumer{region: anyRegion(t), socket: pair[0], mail: newMail(pair[0]), client: -1, spin: time.Millisecond}
	ended := make(chan error)
	go func() { ended <- r.await() }()
	for parked := r.region.word32(wire.RingParked); atomic.LoadUint32(parked) == 0; time.Sleep(50 * time.Microsecond) {
		atomic.AddUint32(r.region.word32(wire.RingBeat), 1)
	}
	unix.Close(pair[1])
	if err := <-ended; !errors.Is(err, errGone) {
		t.Fatalf("a client that went while its worker slept: %v", err)
	}
}
