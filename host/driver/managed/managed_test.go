// SPDX-License-Identifier: Apache-2.0

package managed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const base = 0x6123_4567_8000

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func check(t *testing.T, i *Image, err error) (counter, zero Variable) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	counter, _ = i.Variable("counter")
	zero, _ = i.Variable("zero")
	if len(i.Variables) != 2 || counter.Size != 4 || zero.Size != 40 || zero.At%8 != 0 || counter.At%4 != 0 {
		t.Fatalf("the variables are %+v", i.Variables)
	}
	if zero.At < counter.At+counter.Size && counter.At < zero.At+zero.Size || i.Bytes < max(zero.At+zero.Size, counter.At+counter.Size) {
		t.Fatalf("places overlap: %+v in %d bytes", i.Variables, i.Bytes)
	}
	return counter, zero
}

// TestCode: machine code gets the addresses in the places where the loader would have put them, once for each use,
// and nothing is left for the loader to do. Other variables stay with it.
func TestCode(t *testing.T) {
	t.Parallel()
	constants := func(b []byte, address uint64) bool { // a table of addresses
		return bytes.Contains(b, binary.LittleEndian.AppendUint64(nil, address))
	}
	halves := func(bits uint, step int) func([]byte, uint64) bool { // the immediate operands of two instructions
		return func(b []byte, address uint64) bool {
			var low, high bool
			for at := 0; at+8 <= len(b); at += step {
				half := uint32(binary.LittleEndian.Uint64(b[at:]) >> bits)
				low = low || half == uint32(address)
				high = high || half == uint32(address>>32)
			}
			return low && high
		}
	}
	for name, holds := range map[string]func([]byte, uint64) bool{
		"cuda12.4-sm60.cubin": constants, "cuda12.4-sm90.cubin": constants,
		"cuda11.8-sm60.cubin": halves(20, 8), "cuda11.8-sm90.cubin": halves(32, 8),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elf := read(t, name)
			if !Code(elf) {
				t.Fatal("no managed variables are seen")
			}
			i, err := FromCode(elf)
			counter, zero := check(t, i, err)
			memory := make([]byte, i.Bytes)
			out, err := i.Place(base, memory)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []Variable{counter, zero} {
				if holds(elf, base+v.At) || !holds(out, base+v.At) {
					t.Errorf("the address of %s is not in the code", v.Name)
				}
			}
			if got := binary.LittleEndian.Uint32(memory[counter.At:]); got != 41 {
				t.Errorf("the counter starts as %d, want 41", got)
			}
			if !bytes.Equal(memory[zero.At:][:zero.Size], make([]byte, zero.Size)) {
				t.Error("zero does not start as zero")
			}
			if !bytes.Equal(elf, read(t, name)) {
				t.Error("the image itself was changed")
			}
			before, after := relocations(t, elf), relocations(t, out)
			if after["counter"]+after["zero"] != 0 || after["plain"] != before["plain"] || after["plain"] == 0 {
				t.Errorf("relocations are left: %v, before: %v", after, before)
			}
		})
	}
}

// relocations counts those of each variable.
func relocations(t *testing.T, elf []byte) map[string]int {
	t.Helper()
	c, err := parse(elf)
	if err != nil {
		t.Fatal(err)
	}
	names := map[uint32]string{}
	le, count := binary.LittleEndian, map[string]int{}
	for _, s := range c.sections {
		for k := uint64(0); s.kind == sectionSymbols && k < s.size/symbolBytes; k++ {
			at := c.sections[s.link].offset + uint64(le.Uint32(elf[s.offset+k*symbolBytes:]))
			name, _, _ := bytes.Cut(elf[at:], []byte{0})
			names[uint32(k)] = string(name)
		}
	}
	for _, s := range c.sections {
		each := map[uint32]uint64{sectionRelocations: 16, sectionAddends: 24}[s.kind]
		for k := uint64(0); each > 0 && k < s.size/each; k++ {
			count[names[le.Uint32(elf[s.offset+k*each+12:])]]++
		}
	}
	return count
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	elf := read(t, "cuda12.4-sm90.cubin")
	unknown := bytes.Clone(elf)
	c, err := parse(elf)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.sections {
		if s.kind == sectionAddends && strings.HasSuffix(s.name, "constant4") {
			for at := s.offset; at < s.offset+s.size; at += 24 {
				unknown[at+8] = 99
			}
		}
	}
	for name, b := range map[string][]byte{"unknown relocation": unknown, "cut off": elf[:len(elf)/2], "no code": []byte("\x7fELF"), "nothing": nil} {
		if _, err := FromCode(b); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	i, err := FromCode(elf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Place(base, make([]byte, i.Bytes-1)); err == nil {
		t.Error("too little memory will do")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	ptx := read(t, "variables.ptx")
	if !Text(ptx) || Text([]byte(".global .align 4 .u32 x;")) {
		t.Error("managed variables are not told apart")
	}
	i, err := FromText(ptx)
	counter, _ := check(t, i, err)
	out, err := i.Place(base, make([]byte, i.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	if want := "(.managed, " + fmt.Sprint(base+counter.At) + ") .align 4 .u32 counter = 41;"; !strings.Contains(string(out), want) {
		t.Errorf("%s\nlacks %q", out, want)
	}
	for text, want := range map[string]uint64{
		".attribute(.managed) .align 16 .v4 .f32 v[3][2];": 96, ".attribute( .managed ) .b8 c;": 1, ".attribute(.managed) .align 8 .f64 d = 0d0;": 8,
	} {
		if i, err := FromText([]byte(text)); err != nil || i.Variables[0].Size != want {
			t.Errorf("%s: %+v, %v, want %d bytes", text, i, err, want)
		}
	}
	for _, text := range []string{".attribute(.managed) .u32 x[];", ".attribute(.managed) .u32 x[999999999][999999999];", ".attribute(.managed) .align 3 .u32 x;"} {
		if i, err := FromText([]byte(text)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %+v, %v", text, i, err)
		}
	}
}

// FuzzCode: whatever a program sends for machine code, reading and rewriting it stays within it and its memory.
func FuzzCode(f *testing.F) {
	for _, name := range []string{"cuda12.4-sm60.cubin", "cuda12.4-sm90.cubin", "cuda11.8-sm60.cubin", "cuda11.8-sm90.cubin"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, elf []byte) {
		i, err := FromCode(elf)
		if err != nil || i.Bytes > 1<<20 {
			return
		}
		for _, v := range i.Variables {
			if v.At > i.Bytes || v.Size > i.Bytes-v.At {
				t.Fatalf("%+v lies outside of %d bytes", v, i.Bytes)
			}
		}
		if out, err := i.Place(math.MaxUint64-1<<20, make([]byte, i.Bytes)); err == nil && len(out) != len(elf) {
			t.Fatalf("%d bytes became %d", len(elf), len(out))
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add(read(f, "variables.ptx"))
	f.Add([]byte(".attribute(.managed) .align 16 .v4 .f32 v[3][2];"))
	f.Fuzz(func(t *testing.T, ptx []byte) {
		i, err := FromText(ptx)
		if err != nil || i.Bytes > 1<<20 {
			return
		}
		if _, err := i.Place(base, make([]byte, i.Bytes)); err != nil {
			t.Fatal(err)
		}
	})
}
