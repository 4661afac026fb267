// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"testing"
)

func TestMarshalLinks(t *testing.T) {
	t.Parallel()
	b, err := MarshalLinks([]GPULink{NoLink(), {1, 0x2f, 6, 26562, 2, 0, 7, 1, 0x22a310de, 5}})
	if err != nil || len(b) != GPULinksSize {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	for i, want := range []uint32{1, 0x2f, 6, 26562, 2, 0, 7, 1, 0x22a310de, 5, GPUUnknown} {
		if got := binary.LittleEndian.Uint32(b[GPULinkSize+4*i:]); got != want {
			t.Errorf("number %d of the second link is %#x, want %#x", i, got, want)
		}
	}
	for _, at := range []int{0, GPULinksSize - 4} {
		if got := binary.LittleEndian.Uint32(b[at:]); got != GPUUnknown {
			t.Errorf("of a link that is not there byte %d is %#x", at, got)
		}
	}
}
