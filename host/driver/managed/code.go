// SPDX-License-Identifier: Apache-2.0

package managed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Parts of an ELF for a GPU, as ptxas and nvlink write them.
const (
	headerBytes, sectionBytes, symbolBytes = 64, 64, 24
	sectionSymbols, sectionAddends         = 2, 4
	sectionNoBits, sectionRelocations      = 8, 9
	symbolObject                           = 1
	symbolManaged                          = 4 // in st_other, of an object
)

// Relocations: how an address gets into code or data.
const (
	address64   = 2  // 8 bytes of data
	low32Code64 = 43 // bits 20 to 51 of an instruction of 64 bits
	high32Cod64 = 44
	low32       = 56 // the second 4 bytes of an instruction of 128 bits
	high32      = 57
)

type section struct {
	name               string
	at                 uint64 // of its header
	kind, link, info   uint32
	offset, size, each uint64
}

type symbol struct {
	name    string
	section int
	value   uint64
	size    uint64
}

// code is an ELF. Offsets have been checked once it is parsed.
type code struct {
	bytes    []byte
	sections []section
	managed  map[uint32]symbol // by index
}

// Code says whether machine code has managed variables. Damaged code has none.
func Code(elf []byte) bool {
	c, err := parse(elf)
	return err == nil && len(c.managed) > 0
}

// FromCode reads the machine code of one GPU architecture.
func FromCode(elf []byte) (*Image, error) {
	c, err := parse(elf)
	if err != nil {
		return nil, err
	}
	i := &Image{}
	for _, s := range c.managed {
		// Each is aligned at least as its place in its section happens to be, up to what types need.
		align := uint64(256)
		for align > 1 && s.value%align != 0 {
			align /= 2
		}
		i.Variables = append(i.Variables, Variable{Name: s.name, Size: s.size, Align: align})
	}
	if err := i.arrange(); err != nil {
		return nil, err
	}
	if err := c.relocate(i, 0); err != nil { // to know it now
		return nil, err
	}
	i.place = func(base uint64, memory []byte) ([]byte, error) {
		moved := *c
		moved.bytes = bytes.Clone(elf)
		moved.sections = slices.Clone(c.sections)
		for _, s := range c.managed {
			v, _ := i.Variable(s.name)
			from := c.sections[s.section]
			if from.kind != sectionNoBits {
				copy(memory[v.At:v.At+v.Size], elf[from.offset+s.value:])
			}
		}
		return moved.bytes, moved.relocate(i, base)
	}
	return i, nil
}

func parse(elf []byte) (*code, error) {
	le := binary.LittleEndian
	damaged := func(what string) (*code, error) { return nil, fmt.Errorf("%w: damaged code: %s", ErrUnsupported, what) }
	if len(elf) < headerBytes || !bytes.HasPrefix(elf, []byte("\x7fELF\x02\x01")) {
		return damaged("no header")
	}
	c := &code{bytes: elf, managed: map[uint32]symbol{}}
	inside := func(offset, size uint64) bool { return offset <= uint64(len(elf)) && size <= uint64(len(elf))-offset }
	at, n, names := le.Uint64(elf[40:]), uint64(le.Uint16(elf[60:])), int(le.Uint16(elf[62:]))
	if le.Uint16(elf[58:]) != sectionBytes || !inside(at, n*sectionBytes) || names >= int(n) {
		return damaged("sections")
	}
	for k := range n {
		h := at + k*sectionBytes
		b := elf[h:]
		s := section{at: h, kind: le.Uint32(b[4:]), offset: le.Uint64(b[24:]), size: le.Uint64(b[32:]),
			link: le.Uint32(b[40:]), info: le.Uint32(b[44:]), each: le.Uint64(b[56:])}
		if s.kind != sectionNoBits && !inside(s.offset, s.size) {
			return damaged("a section")
		}
		c.sections = append(c.sections, s)
	}
	text := func(table section, at uint32) string {
		if table.kind == sectionNoBits || uint64(at) >= table.size {
			return ""
		}
		b, _, _ := bytes.Cut(elf[table.offset+uint64(at):table.offset+table.size], []byte{0})
		return string(b)
	}
	for k := range c.sections {
		c.sections[k].name = text(c.sections[names], le.Uint32(elf[c.sections[k].at:]))
	}
	for _, s := range c.sections {
		if s.kind != sectionSymbols || s.each != symbolBytes || int(s.link) >= len(c.sections) {
			continue
		}
		for k := range s.size / symbolBytes {
			b := elf[s.offset+k*symbolBytes:]
			y := symbol{section: int(le.Uint16(b[6:])), value: le.Uint64(b[8:]), size: le.Uint64(b[16:])}
			if b[4]&15 != symbolObject || b[5]&symbolManaged == 0 || y.section == 0 || y.section >= len(c.sections) {
				continue
			}
			in := c.sections[y.section]
			if !strings.HasPrefix(in.name, ".nv.global") {
				continue
			}
			if y.value > in.size || y.size > in.size-y.value {
				return damaged("a variable")
			}
			y.name = text(c.sections[s.link], le.Uint32(b))
			c.managed[uint32(k)] = y
		}
	}
	return c, nil
}

// relocate fills in the addresses of the variables, and takes their relocations away.
func (c *code) relocate(i *Image, base uint64) error {
	le := binary.LittleEndian
	for k, s := range c.sections {
		if strings.HasPrefix(s.name, ".nv.merc") {
			return fmt.Errorf("%w: the driver finishes this code itself", ErrUnsupported)
		}
		each := map[uint32]uint64{sectionRelocations: 16, sectionAddends: 24}[s.kind]
		if each == 0 || len(c.managed) == 0 {
			continue
		}
		if s.each != each || int(s.info) >= len(c.sections) {
			return fmt.Errorf("%w: relocations of %d bytes", ErrUnsupported, s.each)
		}
		to, kept := c.sections[s.info], uint64(0)
		for n := range s.size / each {
			r := c.bytes[s.offset+n*each:][:each]
			y, ours := c.managed[le.Uint32(r[12:])]
			if !ours {
				if base != 0 {
					copy(c.bytes[s.offset+kept:], r)
				}
				kept += each
				continue
			}
			v, _ := i.Variable(y.name)
			address := base + v.At
			if s.kind == sectionAddends {
				address += le.Uint64(r[16:])
			}
			if err := c.fill(to, le.Uint64(r), le.Uint32(r[8:]), address, s.kind == sectionRelocations, base != 0); err != nil {
				return err
			}
		}
		if base != 0 && kept < s.size {
			le.PutUint64(c.bytes[s.at+32:], kept)
			c.sections[k].size = kept
		}
	}
	return nil
}

// fill puts an address where a relocation would have. One without an addend of its own adds to what is there.
func (c *code) fill(to section, at uint64, kind uint32, address uint64, add, write bool) error {
	le := binary.LittleEndian
	bytes := map[uint32]uint64{address64: 8, low32Code64: 8, high32Cod64: 8, low32: 16, high32: 16}[kind]
	if bytes == 0 || to.kind == sectionNoBits {
		return fmt.Errorf("%w: relocation %d in %s", ErrUnsupported, kind, to.name)
	}
	if at > to.size || bytes > to.size-at {
		return fmt.Errorf("%w: damaged code: relocation at %d of %s", ErrUnsupported, at, to.name)
	}
	b := c.bytes[to.offset+at:][:bytes]
	half := uint32(address)
	if kind == high32 || kind == high32Cod64 {
		half = uint32(address >> 32)
	}
	const shift, mask = 20, uint64(0xffffffff) << 20
	there := false
	switch kind {
	case address64:
		if add {
			address += le.Uint64(b)
		}
		if write {
			le.PutUint64(b, address)
		}
	case low32, high32:
		there = le.Uint32(b[4:]) != 0
		if write {
			le.PutUint32(b[4:], half)
		}
	default:
		word := le.Uint64(b)
		there = word&mask != 0
		if write {
			le.PutUint64(b, word&^mask|uint64(half)<<shift)
		}
	}
	if add && there { // halves do not carry into each other
		return fmt.Errorf("%w: an offset within an instruction", ErrUnsupported)
	}
	return nil
}
