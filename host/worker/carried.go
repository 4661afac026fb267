// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/carrier"
	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/cuda"
)

// carry has the client's socket carry the session, and returns what stands for it as the ring's doorbell.
func (s *server) carry() (socket int, err error) {
	if err := unix.SetNonblock(SocketFD, true); err != nil { // for Go's poller, which closing wakes
		return -1, fmt.Errorf("carry the session on the client's connection: %w", err)
	}
	stream := os.NewFile(SocketFD, "connection")
	// The kernel sees the end of a virtual machine, which somebody may pause for longer than a network is silent.
	silence := time.Duration(0)
	if family, err := unix.GetsockoptInt(SocketFD, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || family == unix.AF_INET || family == unix.AF_INET6 {
		silence = carry.Silence
	}
	s.carrier, socket, err = carrier.Start(stream, s.region.bytes(0, s.region.size), uint64(s.region.base), silence, s.log)
	if err != nil {
		return -1, fmt.Errorf("carry the session on the client's connection: %w", err)
	}
	s.region.answered = s.carrier.Answered
	return socket, nil
}

// mark is the carrier's way to learn when a stream has written to the client's memory.
func (s *server) mark(id, address uint64, value uint32, done func()) bool {
	v, ok := s.handles.lookup(id, cuda.KindStream)
	stream := driver.Stream(v)
	if !ok {
		return false
	}
	if len(s.captures) > 0 {
		if status, r := s.api.StreamIsCapturing(stream); r != driver.Success || status != 0 {
			return false
		}
	}
	if address != 0 && s.gpuFlags && s.api.WriteFlag(stream, driver.HostPtr(address), value) == driver.Success {
		return true
	}
	s.waiters.do(s.current, func(w driver.API) {
		w.StreamSynchronize(stream)
		done()
	})
	return true
}
