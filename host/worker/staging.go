// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Staging is registered with the driver part by part, when a copy first comes to use one: registering pins the part's
// pages, and most programs need few of them.

// stage registers what n bytes at an address of the region have of staging, if that is still to be done. A part that
// the driver refuses stays as it is: copies of it work, as those of any memory do, only slower.
func (s *server) stage(p driver.HostPtr, n uint64) {
	size := wire.StageBytes(s.region.size)
	from := uint64(p) - uint64(s.region.base) - wire.StageOffset
	if n == 0 || from >= size {
		return
	}
	part := wire.StagePart(size)
	for i, last := from/part, (min(from+n, size)-1)/part; i <= last; i++ {
		if s.staged&(1<<i) == 0 {
			s.stagePart(i)
		}
	}
}

func (s *server) stagePart(i uint64) {
	s.staged |= 1 << i
	s.api.CtxSetCurrent(s.home)
	defer s.api.CtxSetCurrent(s.current)
	s.besideCaptures(s.api, func() {
		at, n := s.region.stagePart(i)
		if r := s.api.MemHostRegister(at, n, registerPortable|registerDeviceMap); r != driver.Success {
			s.log.Warn("staging is not registered with the driver: copies are slow", "part", i, "result", r.Error())
		}
	})
}

// unstage ends what stage has done, in the current context.
func (s *server) unstage() {
	for i := uint64(0); s.staged>>i != 0; i++ {
		if s.staged&(1<<i) != 0 {
			at, _ := s.region.stagePart(i)
			s.api.MemHostUnregister(at)
		}
	}
	s.staged = 0
}

// stagePart is the place of a part of staging, and how large it is.
func (r *region) stagePart(i uint64) (driver.HostPtr, uint64) {
	size := wire.StageBytes(r.size)
	part := wire.StagePart(size)
	return driver.HostPtr(uint64(r.base) + wire.StageOffset + i*part), min(part, size-i*part)
}
