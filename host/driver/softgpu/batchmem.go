// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
)

// Numbers of CUstreamBatchMemOpType.
const (
	batchWait32  = 1
	batchWrite32 = 2
	batchWait64  = 4
	batchWrite64 = 5
	batchBarrier = 6
	batchFlush   = 3
	batchBytes   = 48 // of a CUstreamBatchMemOpParams
	batchMost    = 256
)

// batchOp does its parts in order.
type batchOp []operation

func (batchOp) kind() uint32 { return nodeBatchMem }

func (o batchOp) run(c *context) driver.Result {
	for _, part := range o {
		if r := part.run(c); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

// batchPart reads one CUstreamBatchMemOpParams: operation, address at 8, value at 16, flags at 24. Barriers and
// flushes are nothing: memory here is in order.
func (d *Driver) batchPart(b []byte) (operation, driver.Result) {
	le := binary.LittleEndian
	kind, addr, value, flags := le.Uint32(b), le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint32(b[24:])
	size := uint64(4)
	switch kind {
	case batchBarrier, batchFlush:
		return nil, driver.Success
	case batchWait64, batchWrite64:
		size = 8
	case batchWait32, batchWrite32:
		value = uint64(uint32(value))
	default:
		return nil, driver.ErrorInvalidValue
	}
	if addr%size != 0 || !d.space.Holds(addr, size) {
		return nil, driver.ErrorInvalidValue
	}
	w := writeOp{addr, value, size == 8}
	if kind == batchWait32 || kind == batchWait64 {
		return awaitOp{w, flags}, driver.Success
	}
	return w, driver.Success
}

func (t *thread) StreamBatchMemOp(s driver.Stream, count uint32, params []byte, flags uint32) driver.Result {
	if flags != 0 || count == 0 || count > batchMost || uint64(len(params)) < batchBytes*uint64(count) {
		return driver.ErrorInvalidValue
	}
	var op batchOp
	for i := range count {
		part, r := t.d.batchPart(params[batchBytes*i:])
		if r != driver.Success {
			return r
		}
		if part != nil {
			op = append(op, part)
		}
	}
	return t.enqueue(s, op)
}

func (t *thread) StreamBatchMemOpV2(s driver.Stream, count uint32, params []byte, flags uint32) driver.Result {
	return t.StreamBatchMemOp(s, count, params, flags)
}
