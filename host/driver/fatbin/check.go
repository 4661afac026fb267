// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"encoding/binary"
	"fmt"
)

// wrapperMagic begins what nvcc has programs hand over: a structure with the address of a container.
const wrapperMagic = 0x466243B1

// Check says whether an image may be given to a driver, which is told where it begins, and not where it ends: it must
// not be a structure with addresses, and containers and their entries must lie within it. The code in them is for the
// driver to check. Errors match ErrFormat.
func Check(image []byte) error {
	if len(image) < 4 {
		return nil
	}
	switch kind := binary.LittleEndian.Uint32(image); {
	case kind == wrapperMagic:
		return fmt.Errorf("%w: a structure with addresses", ErrFormat)
	case kind == magic && len(image) < headerSize:
		return fmt.Errorf("%w: a container's header in %d bytes", ErrFormat, len(image))
	}
	_, err := newest(image, func(*entry) bool { return false })
	return err
}
