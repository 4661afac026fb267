// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// onDeviceFacts writes all attributes of a device; those that the driver does not know are wire.NoAttribute.
func (s *server) onDeviceFacts(api driver.API, d driver.Device, out []byte) driver.Result {
	if d < 0 || int(d) >= len(s.cfg.VGPUs) {
		return driver.ErrorInvalidDevice
	}
	for i := uint32(1); i < wire.AttributeCount; i++ {
		v, r := api.DeviceGetAttribute(i, d)
		if r != driver.Success {
			v = wire.NoAttribute
		}
		binary.LittleEndian.PutUint32(out[4*i:], uint32(v))
	}
	return driver.Success
}

func (s *server) onPrimaryRetain(api driver.API, d driver.Device) (driver.Context, driver.Result) {
	ctx, r := api.DevicePrimaryCtxRetain(d)
	if r == driver.Success {
		s.primaries[d] = ctx
	}
	return ctx, r
}

// onPrimaryReset resets a primary context, and counts what was allocated there no more.
func (s *server) onPrimaryReset(api driver.API, d driver.Device) driver.Result {
	s.forgetContext()
	ended := s.primaries[d]
	r := s.resetPrimary(api, d)
	if r == driver.Success && ended != 0 {
		s.memory.forgetContext(ended)
	}
	return r
}

func (s *server) resetPrimary(api driver.API, d driver.Device) driver.Result {
	if d != 0 {
		return api.DevicePrimaryCtxReset(d)
	}
	// The region is registered in this context: what the client still has of it ends with the context, the
	// slots are registered anew, and staging as it is used.
	api.CtxSetCurrent(s.home)
	var stay []driver.HostPtr
	for host, bytes := range s.memory.hostRanges() {
		if s.placed[host].library {
			api.MemHostUnregister(host)
			stay = append(stay, host)
			continue
		}
		delete(s.placed, host)
		s.memory.removeHost(host)
		s.endHost(api, host, bytes)
	}
	for at := range s.memory.fileRanges() {
		s.dropFile(api, uint64(at))
	}
	s.unstage()
	slots, _ := s.region.slots()
	api.MemHostUnregister(slots)
	r := api.DevicePrimaryCtxReset(d)
	home, again := api.DevicePrimaryCtxRetain(d) // a reset ends what the worker itself had of it
	if again == driver.Success {
		s.home = home
		again = s.registerRegion()
	}
	for _, host := range stay {
		api.CtxSetCurrent(s.home)
		if again == driver.Success {
			again = api.MemHostRegister(host, s.memory.hostBytes(host), registerPortable|registerDeviceMap)
		}
		api.CtxSetCurrent(0)
	}
	if r == driver.Success {
		r = again
	}
	return r
}

// releaseHosts gives back the pinned memory of a context that is about to end, but for the managed variables of
// libraries, which are of all contexts.
func (s *server) releaseHosts(context driver.Context) {
	hosts := s.memory.hostsOf(context)
	if len(hosts) == 0 {
		return
	}
	s.api.CtxSetCurrent(context)
	for _, host := range hosts {
		if !s.placed[host].library {
			s.onHostFree(s.api, host, 0)
		}
	}
	s.api.CtxSetCurrent(s.current)
}

// forgetContext makes the next command set its context anew: a context may have ended.
func (s *server) forgetContext() {
	s.current, s.contextID = 0, 0
	s.api.CtxSetCurrent(0)
	clear(s.dirty)
}
