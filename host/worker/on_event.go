// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// onEventRecordWord records an event, and has the GPU say in the event's word when it is complete, so that the client
// need not ask. Where the GPU will not, the word says that; it is not the program's error.
func (s *server) onEventRecordWord(api driver.API, event driver.Event, stream driver.Stream, word, value uint32) driver.Result {
	if word >= wire.EventCount || value >= wire.EventUnknown {
		return driver.ErrorInvalidValue
	}
	at := wire.EventsOffset + 4*uint64(word)
	r := api.EventRecord(event, stream)
	// What kernels print has to be out before a wait for an event returns: only the driver's own wait sees to it.
	if r != driver.Success || !s.gpuFlags || s.prints || s.captures > 0 ||
		api.WriteFlag(stream, driver.HostPtr(uint64(s.region.base)+at), value) != driver.Success {
		s.region.store32(at, value|wire.EventUnknown)
	}
	return r
}
