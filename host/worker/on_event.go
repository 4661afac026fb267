// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// eventWord is what an event's latest record is to leave in its word of the region.
type eventWord struct {
	at    uint64 // in the region, 0 for none
	value uint32
}

// onEventRecordWord records an event, and has the GPU say in the event's word when it is complete, so that the client
// need not ask. Where the GPU will not, the word says that; it is not the program's error.
func (s *server) onEventRecordWord(api driver.API, event driver.Event, stream driver.Stream, word, value uint32) driver.Result {
	if word >= wire.EventCount || value >= wire.EventUnknown {
		return driver.ErrorInvalidValue
	}
	at := wire.EventsOffset + 4*uint64(word)
	r := api.EventRecord(event, stream)
	// What kernels print has to be out before a wait for an event returns: only the driver's own wait sees to it.
	if r != driver.Success || !s.gpuFlags || s.prints || len(s.captures) > 0 ||
		api.WriteFlag(stream, driver.HostPtr(uint64(s.region.base)+at), value) != driver.Success {
		s.region.store32(at, value|wire.EventUnknown)
		delete(s.words, event)
	} else {
		s.words[event] = eventWord{at, value}
	}
	return r
}

// told writes into an event's word what the driver has said: the word comes after the event in its stream, on a shared
// GPU by a time slice, and a client that has been told that the event is complete must not hear otherwise from the word.
func (s *server) told(w eventWord, r driver.Result) driver.Result {
	if r == driver.Success && w.at != 0 {
		s.region.store32(w.at, w.value)
	}
	return r
}

func (s *server) onEventQuery(api driver.API, event driver.Event) driver.Result {
	return s.told(s.words[event], api.EventQuery(event))
}

func (s *server) onEventWait(api driver.API, event driver.Event, reply *reply) driver.Result {
	w := s.words[event]
	if r := api.EventQuery(event); r != driver.ErrorNotReady && !s.prints {
		return s.told(w, r)
	}
	return s.await(reply, func(api driver.API) driver.Result { return s.told(w, api.EventSynchronize(event)) })
}
