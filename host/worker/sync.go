// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"slices"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// askFor is how long the driver is asked for a stream before the GPU is to answer. A short wait is over sooner so, since the
// GPU has one command less; docs/performance.md has how much.
const askFor = 20 * time.Microsecond

// fence has the stream answer a command when it gets there. A stream that is idle is answered at once.
func (s *server) fence(api driver.API, stream driver.Stream, reply *reply) driver.Result {
	if len(s.captures) > 0 {
		// A wait for a stream in capture fails at once, and invalidates the capture: the driver's own words.
		if status, r := api.StreamIsCapturing(stream); r != driver.Success || status != 0 {
			return api.StreamSynchronize(stream)
		}
	}
	t := reply.ticket()
	if t.slot == 0 {
		return driver.ErrorInvalidValue
	}
	if s.prints || !s.gpuFlags || s.trims(stream) {
		return s.await(reply, func(w driver.API) driver.Result { return w.StreamSynchronize(stream) })
	}
	if s.only(stream) {
		s.region.store32(t.slot+wire.SlotWhole, t.seq) // so that the client need not wait for the context as well
	}
	for begin := time.Now(); ; {
		if r := api.StreamQuery(stream); r != driver.ErrorNotReady {
			return r
		}
		if fewCores() || time.Since(begin) > askFor || s.region.ringHas() {
			break
		}
	}
	if r := api.WriteFlag(stream, t.flag(), t.seq); r != driver.Success {
		return r
	}
	s.watch.add(watched{ticket: t, context: s.current, stream: stream})
	return pending
}

func (s *server) onStreamSync(api driver.API, stream driver.Stream, reply *reply) driver.Result {
	return s.fence(api, stream, reply)
}

// await has a waiter answer with the result of a blocking call, after what it printed.
func (s *server) await(reply *reply, call func(driver.API) driver.Result) driver.Result {
	t, console := reply.ticket(), s.console
	s.waiters.do(s.current, func(w driver.API) {
		r := call(w)
		console.drain()
		t.send(r)
	})
	return pending
}

// onCtxWait waits for all work of the current context. Where at most one stream has work, that stream
// answers; otherwise a waiter asks the driver.
func (s *server) onCtxWait(api driver.API, reply *reply) driver.Result {
	d := s.dirty[s.current]
	if !s.knows(d) {
		return s.waitContext(reply, d)
	}
	busy := d.list[:0]
	for _, stream := range d.list {
		switch r := api.StreamQuery(stream); r {
		case driver.Success:
		case driver.ErrorNotReady:
			busy = append(busy, stream)
		default:
			return s.waitContext(reply, d)
		}
	}
	d.list = busy
	switch len(busy) {
	case 0:
		return driver.Success
	case 1:
		return s.fence(api, busy[0], reply)
	}
	return s.waitContext(reply, d)
}

func (s *server) waitContext(reply *reply, d *dirtyStreams) driver.Result {
	if d != nil {
		*d = dirtyStreams{list: d.list[:0]}
	}
	return s.await(reply, func(w driver.API) driver.Result { return w.CtxSynchronize() })
}

// observeFor bounds for how long the ring stands still for memory that is about to be freed. A program that a smaller GPU
// would serve has it here too; one whose streams wait for its own next commands goes on without.
const observeFor = time.Second

// observeFrees waits for the streams of the current context that free memory of pools, and for all that have work where
// graphs may. Pools can give back only what the driver has been asked to wait for; a stream that is idle takes no time.
func (s *server) observeFrees(api driver.API, graphs bool) (observed bool) {
	d := s.dirty[s.current]
	if d == nil || len(s.captures) > 0 { // in which nothing may be asked
		return false
	}
	busy := slices.Clone(d.freed)
	if graphs {
		busy = append(busy, d.list...)
	}
	for end := time.Now().Add(observeFor); ; time.Sleep(100 * time.Microsecond) {
		busy = slices.DeleteFunc(busy, func(stream driver.Stream) bool {
			r := api.StreamQuery(stream)
			if r == driver.Success && api.StreamSynchronize(stream) == driver.Success {
				d.freed = slices.DeleteFunc(d.freed, func(f driver.Stream) bool { return f == stream })
				observed = true
			}
			return r != driver.ErrorNotReady
		})
		if len(busy) == 0 || time.Now().After(end) {
			return observed
		}
	}
}
