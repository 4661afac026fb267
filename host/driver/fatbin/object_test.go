// SPDX-License-Identifier: Apache-2.0

package fatbin

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// object builds an object file with one section beside its table of names.
func object(section string, content []byte) []byte {
	const header, entry = 64, 64
	names := "\x00" + section + "\x00"
	body := append([]byte(names), content...)
	table := (header + len(body) + 7) &^ 7
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: uint64(table), Ehsize: header, Shentsize: entry, Shnum: 3, Shstrndx: 1})
	b.Write(body)
	b.Write(make([]byte, table-b.Len()))
	_ = binary.Write(&b, binary.LittleEndian, []elf.Section64{{},
		{Type: uint32(elf.SHT_STRTAB), Off: header, Size: uint64(len(names))},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: uint64(header + len(names)), Size: uint64(len(content))}})
	return b.Bytes()
}

// archive builds an archive of files.
func archive(files ...[]byte) []byte {
	b := []byte(archiveMagic)
	for i, f := range files {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", fmt.Sprintf("%d.o/", i), 0, 0, 0, 0o644, len(f))
		if b = append(b, f...); len(f)%2 != 0 {
			b = append(b, '\n')
		}
	}
	return b
}

func TestContainers(t *testing.T) {
	t.Parallel()
	one := container(entry{kind: kindPTX, sm: 60, payload: []byte(".version 6.0 // one")})
	two := container(entry{kind: kindPTX, sm: 60, payload: []byte(".version 6.0 // two, longer")})
	both := object(relocatable, append(bytes.Clone(one), two...))
	for _, c := range []struct {
		name string
		file []byte
		want [][]byte
		err  error
	}{
		{"an object", object(relocatable, one), [][]byte{one}, nil},
		{"two units in one object", both, [][]byte{one, two}, nil},
		{"an object without device code", object(".text", one), nil, nil},
		{"an archive", archive([]byte("names"), object(relocatable, two), both), [][]byte{two, one, two}, nil},
		{"an empty archive", []byte(archiveMagic), nil, nil},
		{"neither", []byte("#include"), nil, ErrFormat},
		{"a container that is cut", object(relocatable, one[:len(one)-8]), nil, ErrFormat},
		{"an object that is cut", both[:len(both)-64], nil, ErrFormat},
		{"an archive that is cut", archive(both)[:200], nil, ErrFormat},
	} {
		got, err := Containers(c.file)
		if !errors.Is(err, c.err) || len(got) != len(c.want) {
			t.Errorf("%s gave %d containers and %v, want %d and %v", c.name, len(got), err, len(c.want), c.err)
			continue
		}
		for i := range got {
			if !bytes.Equal(got[i], c.want[i]) {
				t.Errorf("%s: container %d is %q, want %q", c.name, i, got[i], c.want[i])
			}
		}
	}
}

func FuzzContainers(f *testing.F) {
	one := container(entry{kind: kindPTX, sm: 60, payload: []byte(".version 6.0")})
	f.Add(object(relocatable, one))
	f.Add(archive(object(relocatable, one)))
	f.Fuzz(func(t *testing.T, file []byte) {
		list, _ := Containers(file)
		for _, c := range list {
			if len(c) > len(file) {
				t.Fatalf("a container of %d bytes in a file of %d", len(c), len(file))
			}
		}
	})
}
