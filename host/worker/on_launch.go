// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
)

func (s *server) onLaunch(api driver.API, f driver.Function, gx, gy, gz, bx, by, bz, shared uint32, stream driver.Stream, params []byte, _ uint64) driver.Result {
	s.launchConfig = driver.LaunchConfig{Grid: [3]uint32{gx, gy, gz}, Block: [3]uint32{bx, by, bz}, SharedBytes: shared, Stream: stream}
	return api.Launch(f, &s.launchConfig, params)
}

func (s *server) onLaunchEx(api driver.API, f driver.Function, gx, gy, gz, bx, by, bz, shared uint32, stream driver.Stream, attributes []byte, _ uint64, params []byte, _ uint64) driver.Result {
	if r := s.translateAttributes(attributes); r != driver.Success {
		return r
	}
	s.launchConfig = driver.LaunchConfig{Grid: [3]uint32{gx, gy, gz}, Block: [3]uint32{bx, by, bz}, SharedBytes: shared, Stream: stream, Attributes: attributes}
	return api.Launch(f, &s.launchConfig, params)
}

// translateAttributes turns the ids in launch attributes into handles: the events of the two attributes that
// have one at the start of their value. Attributes with other handles, and those that are not known, are refused.
func (s *server) translateAttributes(b []byte) driver.Result {
	le := binary.LittleEndian
	for ; len(b) >= driver.LaunchAttributeSize; b = b[driver.LaunchAttributeSize:] {
		switch id := le.Uint32(b); {
		case id == programmaticEvent || id == completionEvent:
			v, ok := s.handles.lookup(le.Uint64(b[8:]), cuda.KindEvent)
			if !ok {
				return driver.ErrorInvalidHandle
			}
			le.PutUint64(b[8:], v)
		case !plainAttribute(id):
			return driver.ErrorNotSupported
		}
	}
	return driver.Success
}

func (s *server) onOccupancyClusters(api driver.API, which uint32, f driver.Function, gx, gy, gz, bx, by, bz, shared uint32, stream driver.Stream, attributes []byte, _ uint64) (int32, driver.Result) {
	if r := s.translateAttributes(attributes); r != driver.Success {
		return 0, r
	}
	cfg := driver.LaunchConfig{Grid: [3]uint32{gx, gy, gz}, Block: [3]uint32{bx, by, bz}, SharedBytes: shared, Stream: stream, Attributes: attributes}
	if which == 0 {
		return api.MaxActiveClusters(f, &cfg)
	}
	return api.MaxPotentialClusterSize(f, &cfg)
}
