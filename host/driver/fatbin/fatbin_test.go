// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// container builds a fatbin of entries.
func container(entries ...entry) []byte {
	le := binary.LittleEndian
	var body []byte
	for _, e := range entries {
		h := make([]byte, entrySize)
		padded := (len(e.payload) + 7) &^ 7
		le.PutUint16(h, e.kind)
		le.PutUint32(h[4:], entrySize)
		le.PutUint64(h[8:], uint64(padded))
		if e.flags != 0 {
			le.PutUint32(h[16:], uint32(len(e.payload)))
		}
		le.PutUint32(h[28:], e.sm)
		le.PutUint64(h[40:], e.flags)
		le.PutUint64(h[56:], e.uncompressed)
		body = append(append(body, h...), append(e.payload, make([]byte, padded-len(e.payload))...)...)
	}
	h := make([]byte, headerSize)
	le.PutUint32(h, magic)
	le.PutUint16(h[4:], 1)
	le.PutUint16(h[6:], headerSize)
	le.PutUint64(h[8:], uint64(len(body)))
	return append(h, body...)
}

func TestPTX(t *testing.T) {
	t.Parallel()
	text := ".version 8.4\n" + strings.Repeat("// the same line over and over\n", 50)
	packed := make([]byte, 4096)
	n, err := lz4.CompressBlock([]byte(text), packed, nil)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	enc, _ := zstd.NewWriter(nil)
	size := uint64(len(text))
	elf := entry{kind: 2, sm: 90, payload: []byte("\x7fELF....")}
	old := entry{kind: kindPTX, sm: 52, payload: []byte(".version 6.0")}
	future := entry{kind: kindPTX, sm: 120, payload: []byte(".version 9.0")}
	for _, c := range []struct {
		name  string
		image []byte
		want  string
		err   error
	}{
		{"plain text", []byte(text + "\x00junk"), text, nil},
		{"plain entry", container(elf, old), ".version 6.0", nil},
		{"LZ4, newest", container(old, entry{kind: kindPTX, sm: 80, flags: flagLZ4, payload: packed[:n], uncompressed: size}), text, nil},
		{"zstd", container(entry{kind: kindPTX, sm: 80, flags: flagZstd, payload: enc.EncodeAll([]byte(text), nil), uncompressed: size}), text, nil},
		{"second container", append(container(elf), container(old)...), ".version 6.0", nil},
		{"newer GPUs only", container(future), "", ErrNoPTX},
		{"ELF in container", container(elf), "", ErrNoPTX},
		{"ELF", []byte("\x7fELF\x02"), "", ErrNoPTX},
		{"garbage", []byte("hello"), "", ErrFormat},
		{"empty", nil, "", ErrFormat},
		{"cut off", container(old)[:40], "", ErrFormat},
		{"bad LZ4", container(entry{kind: kindPTX, flags: flagLZ4, payload: []byte("xxxxxxxx"), uncompressed: 99}), "", ErrFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := PTX(c.image, 90)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("PTX = %.20q, %v; want %.20q, %v", got, err, c.want, c.err)
			}
		})
	}
}

func FuzzPTX(f *testing.F) {
	f.Add(container(entry{kind: kindPTX, sm: 80, flags: flagLZ4, payload: []byte("\x10a"), uncompressed: 1}))
	f.Add(container(entry{kind: kindPTX, sm: 80, payload: []byte(".version 8.0")}))
	f.Fuzz(func(t *testing.T, image []byte) {
		if s, err := PTX(image, 90); err != nil && s != "" {
			t.Fatal("text with an error")
		}
	})
}
