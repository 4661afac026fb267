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
	if len(image) < 4 || binary.LittleEndian.Uint32(image) != magic {
		return bytes.Contains(image, []byte("vprintf"))
	}
	entries, err := list(image)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if text, err := e.text(); err == nil && bytes.Contains([]byte(text), []byte("vprintf")) {
			return true
		}
	}
	return false
}
