// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// relocatable is the section of host objects where nvcc puts device code that is yet to be linked.
const relocatable = "__nv_relfatbin"

const (
	archiveMagic  = "!<arch>\n"
	archiveHeader = 60
)

// Containers returns the containers of relocatable device code in an object of the host, or in an archive of objects.
// Errors match ErrFormat.
func Containers(file []byte) ([][]byte, error) {
	if !bytes.HasPrefix(file, []byte(archiveMagic)) {
		return inObject(file)
	}
	var all [][]byte
	for rest := file[len(archiveMagic):]; len(rest) >= archiveHeader; {
		size, err := strconv.ParseUint(strings.TrimSpace(string(rest[48:58])), 10, 64)
		if rest = rest[archiveHeader:]; err != nil || size > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: a member of the archive is damaged", ErrFormat)
		}
		if member := rest[:size]; bytes.HasPrefix(member, []byte(elf.ELFMAG)) { // not a table of symbols or names
			list, err := inObject(member)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		}
		rest = rest[min(size+size&1, uint64(len(rest))):]
	}
	return all, nil
}

func inObject(object []byte) ([][]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	s := f.Section(relocatable)
	if s == nil {
		return nil, nil
	}
	if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_COMPRESSED != 0 || s.Offset > uint64(len(object)) || s.FileSize > uint64(len(object))-s.Offset {
		return nil, fmt.Errorf("%w: section %s is not in the object", ErrFormat, relocatable)
	}
	var all [][]byte
	for b := object[s.Offset : s.Offset+s.FileSize]; len(b) >= headerSize && binary.LittleEndian.Uint32(b) == magic; {
		n, err := containerSize(b)
		if err != nil {
			return nil, err
		}
		all, b = append(all, b[:n]), b[n:]
	}
	return all, nil
}
