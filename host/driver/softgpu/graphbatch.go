// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
)

// batchNode is a batch of memory operations in a graph, with the parameters that it was made of.
type batchNode struct {
	batchOp
	params []byte // a CUDA_BATCH_MEM_OP_NODE_PARAMS
	list   []byte
}

// parseBatch reads a CUDA_BATCH_MEM_OP_NODE_PARAMS: context, count at 8, list at 16, flags at 24.
func (t *thread) parseBatch(b []byte) (*batchNode, driver.Result) {
	le := binary.LittleEndian
	count := le.Uint32(b[8:])
	if count == 0 || count > batchMost || le.Uint64(b[16:]) == 0 || le.Uint32(b[24:]) != 0 {
		return nil, driver.ErrorInvalidValue
	}
	n := &batchNode{params: append([]byte(nil), b...),
		list: append([]byte(nil), hostBytes(driver.HostPtr(le.Uint64(b[16:])), batchBytes*uint64(count))...)}
	for i := range count {
		part, r := t.d.batchPart(n.list[batchBytes*i:])
		if r != driver.Success {
			return nil, r
		}
		if part != nil {
			n.batchOp = append(n.batchOp, part)
		}
	}
	le.PutUint64(n.params[16:], addressOf(n.list))
	return n, driver.Success
}

func (t *thread) GraphAddBatchMemOpNode(g driver.Graph, deps []driver.GraphNode, _ uint64, params []byte) (driver.GraphNode, driver.Result) {
	o, r := t.parseBatch(params)
	if r != driver.Success {
		return 0, r
	}
	return t.addNode(g, deps, o)
}

func (t *thread) GraphBatchMemOpNodeGetParams(h driver.GraphNode, out []byte) driver.Result {
	o, r := opOf[*batchNode](t, h)
	if r != driver.Success {
		return r
	}
	copy(out, o.params)
	return driver.Success
}

func (t *thread) GraphBatchMemOpNodeSetParams(h driver.GraphNode, params []byte) driver.Result {
	o, r := t.parseBatch(params)
	if r != driver.Success {
		return r
	}
	return setOp(t, h, o)
}

func (t *thread) GraphExecBatchMemOpNodeSetParams(e driver.GraphExec, h driver.GraphNode, params []byte) driver.Result {
	o, r := t.parseBatch(params)
	if r != driver.Success {
		return r
	}
	return setExec(t, e, h, o)
}

// addressOf is where a list lies that the caller reads, and that its node keeps.
func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }
