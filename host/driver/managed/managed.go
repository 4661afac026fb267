// SPDX-License-Identifier: Apache-2.0

// Package managed moves the __managed__ variables of module images to memory that a client and its worker share.
//
// A driver places these variables in its own process, where they follow the host's and the GPU's accesses. The
// program's process is another one here. But machine code has no address of a variable until it is loaded: the
// image says where the loader is to fill it in. So an image is rewritten to have the addresses of memory of the
// session's region, which host and GPU reach at the same address, and no copy ever has to be made. What the driver
// then places itself is never touched, and takes no memory.
package managed

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrUnsupported means that an image refers to its managed variables in a way that cannot be rewritten.
var ErrUnsupported = errors.New("managed variables cannot be moved")

// maxBytes bounds what the variables of one image take.
const maxBytes = 1 << 40

// Variable is a managed variable. At is where it lies in the memory for an image's variables.
type Variable struct {
	Name            string
	Size, Align, At uint64
}

// Image is a module image with managed variables.
type Image struct {
	Variables []Variable // by name
	Bytes     uint64     // of memory for all of them
	place     func(base uint64, memory []byte) ([]byte, error)
}

// Place returns the image with its variables at base on, and gives them their first values. memory is what lies
// there, Bytes long and zero.
func (i *Image) Place(base uint64, memory []byte) ([]byte, error) {
	if uint64(len(memory)) < i.Bytes {
		return nil, fmt.Errorf("%d bytes for managed variables of %d", len(memory), i.Bytes)
	}
	return i.place(base, memory)
}

// arrange gives each variable a place.
func (i *Image) arrange() error {
	const least = 16
	slices.SortFunc(i.Variables, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	for k := range i.Variables {
		v := &i.Variables[k]
		align := max(v.Align, least)
		if v.Align&(v.Align-1) != 0 || align > 4096 || v.Size > maxBytes || i.Bytes > maxBytes {
			return fmt.Errorf("%w: %s has %d bytes aligned to %d", ErrUnsupported, v.Name, v.Size, v.Align)
		}
		v.At = (i.Bytes + align - 1) &^ (align - 1)
		i.Bytes = v.At + v.Size
	}
	return nil
}

// Variable is that of a name.
func (i *Image) Variable(name string) (Variable, bool) {
	at, ok := slices.BinarySearchFunc(i.Variables, name, func(v Variable, name string) int { return cmp.Compare(v.Name, name) })
	if !ok {
		return Variable{}, false
	}
	return i.Variables[at], true
}
