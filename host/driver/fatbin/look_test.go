// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"testing"

	"github.com/pierrec/lz4/v4"
)

// packed is an entry of compressed PTX.
func packed(t *testing.T, text string) entry {
	t.Helper()
	out := make([]byte, lz4.CompressBlockBound(len(text)))
	n, err := lz4.CompressBlock([]byte(text), out, nil)
	if err != nil || n == 0 {
		t.Fatalf("compress: %d, %v", n, err)
	}
	return entry{kind: kindPTX, flags: flagLZ4, payload: out[:n], uncompressed: uint64(len(text))}
}

func TestLook(t *testing.T) {
	t.Parallel()
	silent := ".version 7.0 .target sm_60 .entry f() { ret; } .entry g() { ret; } .entry h() { ret; } .entry i() { ret; }"
	loud := silent + " .extern .func vprintf; call vprintf;"
	for name, c := range map[string]struct {
		image []byte
		want  bool
	}{
		"text":              {[]byte(loud), true},
		"silent text":       {[]byte(silent), false},
		"container":         {container(entry{kind: kindPTX, payload: []byte(loud)}), true},
		"silent container":  {container(entry{kind: kindPTX, payload: []byte(silent)}), false},
		"compressed":        {container(packed(t, loud)), true},
		"compressed silent": {container(packed(t, silent)), false},
		"code before text":  {container(entry{kind: kindPTX, sm: 60, payload: []byte(silent)}, entry{kind: kindELF, sm: 90, payload: []byte(loud)}), true},
		"for other GPUs":    {container(entry{kind: kindPTX, sm: 60, payload: []byte(silent)}, entry{kind: kindELF, sm: 100, payload: []byte(loud)}), false},
		"truncated":         {container(packed(t, loud))[:headerSize+10], false},
		"empty":             {nil, false},
	} {
		if got := Look(c.image, 90).Prints; got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
