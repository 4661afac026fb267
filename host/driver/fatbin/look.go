// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"bytes"
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver/managed"
)

// maxSearched bounds the images that Look looks through: larger ones are libraries, whose kernels are silent.
const maxSearched = 32 << 20

// Features is what an image holds that a session has to know of.
type Features struct {
	Prints  bool // a kernel calls vprintf, which is what printf in a kernel becomes
	Managed bool // it has __managed__ variables
}

// Look looks through the part of an image that a GPU of the given compute capability, 90 for 9.0, would run: its code,
// else its PTX. The others are made of the same source, and unpacking all of a framework's takes seconds. Damaged and
// very large images have no features.
func Look(image []byte, capability int) Features {
	var f Features
	if len(image) > maxSearched {
		return f
	}
	if len(image) < headerSize || binary.LittleEndian.Uint32(image) != magic {
		f.add(image)
		return f
	}
	part, err := newest(image, isCodeFor(capability))
	if err == nil && part == nil {
		part, err = newest(image, isTextFor(capability))
	}
	if err != nil || part == nil {
		return f
	}
	if data, err := part.data(); err == nil {
		f.add(data)
	}
	return f
}

func (f *Features) add(part []byte) {
	f.Prints = f.Prints || bytes.Contains(part, []byte("vprintf"))
	f.Managed = f.Managed || managed.Code(part) || managed.Text(part)
}
