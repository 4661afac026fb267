// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// pending is what a handler of a fence or a wait returns when the answer comes later, from the GPU or from
// another goroutine.
const pending driver.Result = -1

// reply is the answer to one command: a slot of the region and the number that it waits for. A command
// without a slot has no answer; a failure of it is deferred.
type reply struct {
	region *region
	slot   uint64 // offset of the slot, 0 for none
	seq    uint32
	data   [wire.SlotRoom]byte
	n      int
}

// ticket is a reply without data, to be kept by who answers later.
type ticket struct {
	region *region
	slot   uint64
	seq    uint32
}

func (r *reply) reset(slot uint64, seq uint32) { r.slot, r.seq, r.n = slot, seq, 0 }

func (r *reply) ticket() ticket { return ticket{r.region, r.slot, r.seq} }

func (r *reply) u64(v uint64) {
	if len(r.data)-r.n >= 8 {
		binary.LittleEndian.PutUint64(r.data[r.n:], v)
		r.n += 8
	}
}

func (r *reply) f32(v float32) { r.u64(uint64(math.Float32bits(v))) }

func (r *reply) blob(b []byte) {
	if len(r.data)-r.n >= len(b) {
		copy(r.data[r.n:], b)
		r.n += (len(b) + 7) &^ 7
	}
}

// send publishes the answer: data and result first, the sequence number last.
func (r *reply) send(result driver.Result) {
	if r.slot == 0 {
		return
	}
	if r.n > 0 {
		copy(r.region.bytes(r.slot+wire.SlotData, uint64(r.n)), r.data[:r.n])
	}
	r.region.store32(r.slot+wire.SlotBytes, uint32(r.n))
	r.ticket().send(result)
}

// send stores number and result as one word. A slot's answers only go forward: one that comes late, beside
// the GPU's own, must not take back a newer one's place.
func (t ticket) send(result driver.Result) {
	if t.slot == 0 {
		return
	}
	if result.Sticky() && t.region.lost != nil {
		t.region.lost(result)
	}
	word := t.region.word64(t.slot + wire.SlotSeq)
	for {
		old := atomic.LoadUint64(word)
		if int32(uint32(old)-t.seq) >= 0 {
			return
		}
		if atomic.CompareAndSwapUint64(word, old, uint64(uint32(result))<<32|uint64(t.seq)) {
			if t.region.answered != nil {
				t.region.answered()
			}
			return
		}
	}
}

// flag is the address at which the GPU answers instead.
func (t ticket) flag() driver.HostPtr {
	return driver.HostPtr(uint64(t.region.base) + t.slot + wire.SlotFlag)
}

// answered says whether the GPU has done so, for this or a later command: a stream that was waited for may be
// in capture by now, and must not be asked any more.
func (t ticket) answered() bool {
	return int32(atomic.LoadUint32(t.region.word32(t.slot+wire.SlotFlag))-t.seq) >= 0
}
