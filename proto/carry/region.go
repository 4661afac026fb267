// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/orion-vgpu/orion/proto/wire"
)

// Region is one side's memory, mapped by whoever made it. Others write to it at any time: the client or a
// worker's GPU; single words are accessed as such.
type Region []byte

// Load32 reads a word.
func (r Region) Load32(offset uint64) uint32 { return atomic.LoadUint32(r.word32(offset)) }

// Load64 reads a word.
func (r Region) Load64(offset uint64) uint64 { return atomic.LoadUint64(r.word64(offset)) }

// Store32 writes a word.
func (r Region) Store32(offset uint64, v uint32) { atomic.StoreUint32(r.word32(offset), v) }

// Store64 writes a word.
func (r Region) Store64(offset, v uint64) { atomic.StoreUint64(r.word64(offset), v) }

// Swap32 writes a word and returns what was there.
func (r Region) Swap32(offset uint64, v uint32) uint32 {
	return atomic.SwapUint32(r.word32(offset), v)
}

func (r Region) word32(offset uint64) *uint32 {
	return (*uint32)(unsafe.Pointer(&r[offset : offset+4][0]))
}
func (r Region) word64(offset uint64) *uint64 {
	return (*uint64)(unsafe.Pointer(&r[offset : offset+8][0]))
}

// Ring is the memory of the command ring.
func (r Region) Ring() []byte { return r[wire.RingOffset : wire.RingOffset+wire.RingSize] }

// Range returns n bytes at offset if they lie within [first, end) of the region.
func (r Region) Range(offset, n, first, end uint64) ([]byte, error) {
	if offset < first || offset > end || n > end-offset {
		return nil, fmt.Errorf("store at %#x, %d bytes: outside of %#x to %#x", offset, n, first, end)
	}
	return r[offset : offset+n : offset+n], nil
}

// StoreWord does what a frame of kind Word asks for. The caller has checked that offset may be stored to.
func (r Region) StoreWord(offset uint64, v []byte) error {
	switch {
	case len(v) == 4 && offset%4 == 0:
		r.Store32(offset, binary.LittleEndian.Uint32(v))
	case len(v) == 8 && offset%8 == 0:
		r.Store64(offset, binary.LittleEndian.Uint64(v))
	default:
		return fmt.Errorf("store a word of %d bytes at %#x: misaligned", len(v), offset)
	}
	return nil
}

// Uint64 is the first word of b, of arguments or a payload.
func Uint64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
