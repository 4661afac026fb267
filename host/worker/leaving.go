// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"slices"

	"github.com/orion-vgpu/orion/host/driver"
)

// leaving is memory outside pools that is freed in the order of a stream: cuMemFreeAsync takes it, too. It counts until the
// stream has come that far.
type leaving struct {
	allocation
	freed driver.Event   // 0 if the driver cannot tell when
	owner driver.Context // with which it ends at the latest
}

const untimed = 2 // CU_EVENT_DISABLE_TIMING

// isOutside says whether an allocation is from no pool.
func (m *memory) isOutside(p driver.DevicePtr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.device[p]
	return ok && a.source == outside
}

// leave follows cuMemFreeAsync of memory outside pools. Its address may be another's from now on.
func (m *memory) leave(api driver.API, p driver.DevicePtr, stream driver.Stream) {
	const few = 64
	if len(m.leaving) >= max(few, 2*m.leavingLast) { // of what nobody asks for, no more than twice what has to be kept
		m.settle(api)
		m.leavingLast = len(m.leaving)
	}
	freed, r := api.EventCreate(untimed)
	if r == driver.Success && api.EventRecord(freed, stream) != driver.Success {
		api.EventDestroy(freed)
		freed = 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaving = append(m.leaving, leaving{m.device[p], freed, m.endsWith[p]})
	delete(m.device, p)
	delete(m.endsWith, p)
}

// settle returns the bytes of what has been freed since; false if there is nothing.
func (m *memory) settle(api driver.API) (settled bool) {
	if len(m.leaving) == 0 {
		return false
	}
	m.relaxed(api, func() {
		m.leaving = slices.DeleteFunc(m.leaving, func(l leaving) bool {
			if l.freed == 0 || api.EventQuery(l.freed) == driver.ErrorNotReady {
				return false
			}
			api.EventDestroy(l.freed)
			m.unreserve(l.allocation)
			settled = true
			return true
		})
	})
	return settled
}

// settleFor waits a while for what is about to be freed, if anything is.
func (m *memory) settleFor(api driver.API) bool {
	return m.settle(api) || len(m.leaving) > 0 && m.observe(api, false) && m.settle(api)
}
