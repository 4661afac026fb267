// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
)

// Bits of CUatomicOperationCapability.
const (
	atomicSigned    = 1 << 0
	atomicUnsigned  = 1 << 1
	atomicReduction = 1 << 2
	atomic32        = 1 << 3
	atomic64        = 1 << 4
)

// atomicCapabilities are those of CUatomicOperation, by number: GPUs and host share one memory, in which every
// atomic instruction of a kernel is one of the host's.
var atomicCapabilities = [...]uint32{
	0:  atomicSigned | atomicUnsigned | atomicReduction | atomic32 | atomic64, // add
	1:  atomicSigned | atomicUnsigned | atomicReduction | atomic32 | atomic64, // min
	2:  atomicSigned | atomicUnsigned | atomicReduction | atomic32 | atomic64, // max
	3:  atomicUnsigned | atomicReduction | atomic32,                           // increment
	4:  atomicUnsigned | atomicReduction | atomic32,                           // decrement
	5:  atomicUnsigned | atomicReduction | atomic32 | atomic64,                // and
	6:  atomicUnsigned | atomicReduction | atomic32 | atomic64,                // or
	7:  atomicUnsigned | atomicReduction | atomic32 | atomic64,                // xor
	8:  atomicUnsigned | atomic32 | atomic64,                                  // exchange
	9:  atomicUnsigned | atomic32 | atomic64,                                  // compare and swap
	10: atomicSigned | atomicReduction | atomic32 | atomic64,                  // float add
	11: 0,                                                                     // float min
	12: 0,                                                                     // float max
}

func putAtomics(out, operations []byte, n uint32) driver.Result {
	le := binary.LittleEndian
	if n == 0 || uint64(len(out)) < 4*uint64(n) || uint64(len(operations)) < 4*uint64(n) {
		return driver.ErrorInvalidValue
	}
	for i := range n {
		op := le.Uint32(operations[4*i:])
		if op >= uint32(len(atomicCapabilities)) {
			return driver.ErrorInvalidValue
		}
		le.PutUint32(out[4*i:], atomicCapabilities[op])
	}
	return driver.Success
}

func (t *thread) DeviceGetHostAtomicCapabilities(out, operations []byte, n uint32, dev driver.Device) driver.Result {
	if _, r := t.d.device(dev); r != driver.Success {
		return r
	}
	return putAtomics(out, operations, n)
}

func (t *thread) DeviceGetP2PAtomicCapabilities(out, operations []byte, n uint32, src, dst driver.Device) driver.Result {
	_, r := t.d.device(src)
	_, r2 := t.d.device(dst)
	if r != driver.Success || r2 != driver.Success || src == dst {
		return driver.ErrorInvalidDevice
	}
	return putAtomics(out, operations, n)
}
