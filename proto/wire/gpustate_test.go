// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"strings"
	"testing"
)

func TestGPUState(t *testing.T) {
	t.Parallel()
	s := UnknownState(strings.Repeat("5", 40))
	s.Busy, s.Persistent, s.Energy = 87, 1, 1<<40
	s.SetBranch(strings.Repeat("8", 40))
	b, err := s.MarshalBinary()
	if err != nil || len(b) != GPUStateSize {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	le := binary.LittleEndian
	if le.Uint32(b) != 87 || le.Uint32(b[4:]) != GPUUnknown || le.Uint32(b[64:]) != 1 || le.Uint64(b[72:]) != 1<<40 {
		t.Errorf("numbers are not where they belong: % x", b[:80])
	}
	if text := string(b[80:96]); text != strings.Repeat("8", GPUBranchBytes-1)+"\x00" {
		t.Errorf("branch is %q: want it cut and ended", text)
	}
	if text := string(b[96:]); text != strings.Repeat("5", GPUDriverBytes-1)+"\x00" {
		t.Errorf("driver is %q: want it cut and ended", text)
	}
}
