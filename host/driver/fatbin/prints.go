// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"bytes"
	"encoding/binary"
)

// maxSearched bounds the images that Prints looks through: larger ones are libraries, whose kernels are silent.
const maxSearched = 32 << 20

// Prints says whether kernels of an image may print: whether one of its parts calls vprintf, which is what
// printf in a kernel becomes. Damaged and very large images do not.
func Prints(image []byte) bool {
	if len(image) > maxSearched {
		return false
	}
	if len(image) < headerSize || binary.LittleEndian.Uint32(image) != magic {
		return bytes.Contains(image, []byte("vprintf"))
	}
	header := int(binary.LittleEndian.Uint16(image[6:]))
	if len(image) < headerSize || header > len(image) {
		return false
	}
	entries, err := list(image[header:])
	if err != nil {
		return false
	}
	for _, e := range entries {
		if data, err := e.data(); err == nil && bytes.Contains(data, []byte("vprintf")) {
			return true
		}
	}
	return false
}
