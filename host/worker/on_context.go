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
	return api.DevicePrimaryCtxRetain(d)
}

func (s *server) onPrimaryReset(api driver.API, d driver.Device) driver.Result {
	s.forgetContext()
	r := api.DevicePrimaryCtxReset(d)
	if r == driver.Success && d == 0 {
		// The registrations of the region went with the context.
		if again := s.registerRegion(); again != driver.Success {
			return again
		}
		for host := range s.memory.host {
			s.memory.removeHost(host)
		}
	}
	return r
}

// forgetContext makes the next command set its context anew: a context may have ended.
func (s *server) forgetContext() {
	s.current, s.contextID = 0, 0
	s.api.CtxSetCurrent(0)
	clear(s.dirty)
}
