// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"bytes"
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver/managed"
)

// maxSearched bounds the images that Look looks through: larger ones are libraries, whose kernels are silent.
const maxSearched = 32 << 20

// Features is what an image holds that a session has to know of. One of its parts suffices.
type Features struct {
	Prints  bool // a kernel calls vprintf, which is what printf in a kernel becomes
	Managed bool // it has __managed__ variables
}

// Look looks through an image. Damaged and very large ones have no features.
func Look(image []byte) Features {
	var f Features
	if len(image) > maxSearched {
		return f
	}
	if len(image) < headerSize || binary.LittleEndian.Uint32(image) != magic {
		f.add(image)
		return f
	}
	header := int(binary.LittleEndian.Uint16(image[6:]))
	if header < headerSize || header > len(image) {
		return f
	}
	entries, err := list(image[header:])
	if err != nil {
		return f
	}
	for _, e := range entries {
		if data, err := e.data(); err == nil {
			f.add(data)
		}
	}
	return f
}

func (f *Features) add(part []byte) {
	f.Prints = f.Prints || bytes.Contains(part, []byte("vprintf"))
	f.Managed = f.Managed || managed.Code(part) || managed.Text(part)
}
