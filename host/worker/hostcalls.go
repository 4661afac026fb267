// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// hostCalls has the client run its host functions: requests go into the region's callback ring, a thread of
// the client's runs them one after the other and counts them as done.
type hostCalls struct {
	region *region
	mu     sync.Mutex
	head   uint32
}

// hostCall is one function of the client's, known by the client's id for it.
type hostCall struct {
	calls *hostCalls
	id    uint64
}

func (c *hostCalls) call(id uint64) driver.HostCall { return hostCall{c, id} }

// Run asks the client and waits for it. The wait ends with the process at the latest: the worker exits when
// its client is gone.
func (h hostCall) Run() {
	c := h.calls
	n := c.ask(h.id)
	// The stream stands still meanwhile, so this thread watches closely where there are cores to spare.
	spin := time.Millisecond
	if fewCores() {
		spin = 50 * time.Microsecond
	}
	for start := time.Now(); int32(c.region.load32(wire.StatusCallTail)-n) <= 0; pause() {
		if waited := time.Since(start); waited > spin {
			time.Sleep(min(time.Millisecond, max(20*time.Microsecond, waited/8)))
		}
	}
}

// ask puts a request into the ring and returns its number there.
func (c *hostCalls) ask(id uint64) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.head
	for n-c.region.load32(wire.StatusCallTail) >= wire.CallbackEntries {
		time.Sleep(time.Millisecond)
	}
	entry := c.region.bytes(wire.CallbackRing+uint64(n%wire.CallbackEntries)*wire.CallbackSize, wire.CallbackSize)
	binary.LittleEndian.PutUint64(entry, id)
	c.head = n + 1
	c.region.store32(wire.StatusCallHead, c.head)
	if c.region.answered != nil {
		c.region.answered()
	}
	return n
}

func (s *server) onHostFunc(api driver.API, stream driver.Stream, id uint64) driver.Result {
	return api.LaunchHost(stream, s.calls.call(id))
}
