// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

// TestLinkLocalNames links units that have variables and functions of the same names, each for itself, as nvcc names the
// texts that kernels print.
func TestLinkLocalNames(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	unit := func(kernel, value string) []byte {
		return []byte(strings.NewReplacer("KERNEL", kernel, "VALUE", value).Replace(`.version 6.0
.target sm_60
.address_size 64
.global .align 4 .f32 value = VALUE;
.global .align 8 .u64 place[1] = {value};
.func (.param .b32 result) read()
{
	.reg .f32 %f<1>;
	.reg .b64 %a<2>;
	ld.global.u64 %a0, [place];
	ld.global.f32 %f0, [%a0];
	st.param.f32 [result], %f0;
	ret;
}
.visible .entry KERNEL(.param .u64 p)
{
	.reg .f32 value;
	.reg .b64 %a;
	ld.param.u64 %a, [p];
	{
	.param .b32 back;
	call (back), read, ();
	ld.param.f32 value, [back];
	}
	st.global.f32 [%a], value;
	ret;
}`) + "\x00")
	}
	l, res := r.LinkCreate(nil)
	r.ok(res)
	for kernel, value := range map[string]string{"one": "0f3F800000", "two": "0f40000000"} {
		r.ok(r.LinkAdd(l, 1, unit(kernel, value), kernel, nil, &driver.JITLog{}))
	}
	log := &driver.JITLog{}
	image, res := r.LinkComplete(l, log)
	if res != driver.Success {
		t.Fatal(res, log.Error)
	}
	m, res := r.ModuleLoad(image, nil, log)
	r.ok(res)
	p := r.alloc(4)
	for kernel, want := range map[string]float32{"one": 1, "two": 2} {
		r.ok(r.launch(r.function(m, kernel), 0, 1, 1, binary.LittleEndian.AppendUint64(nil, uint64(p))))
		r.ok(r.CtxSynchronize())
		if got := r.download(p, 1)[0]; math.Float32bits(got) != math.Float32bits(want) {
			t.Errorf("kernel %s wrote %v, want %v", kernel, got, want)
		}
	}
}

// TestLinkLibrary links PTX with an archive whose object holds what it calls, in device code as nvcc embeds it.
func TestLinkLibrary(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	const head = ".version 6.0\n.target sm_60\n.address_size 64\n"
	text := []byte(head + ".visible .func (.param .b32 r) seven() { st.param.b32 [r], 7; ret; }")
	le := binary.LittleEndian
	entry := make([]byte, 64) // PTX for sm_60
	le.PutUint16(entry, 1)
	le.PutUint32(entry[4:], 64)
	le.PutUint64(entry[8:], uint64(len(text)))
	le.PutUint32(entry[28:], 60)
	code := le.AppendUint32(nil, 0xBA55ED50)
	code = le.AppendUint16(le.AppendUint16(code, 1), 16)
	code = append(append(le.AppendUint64(code, uint64(len(entry)+len(text))), entry...), text...)
	names := "\x00__nv_relfatbin\x00"
	var object bytes.Buffer
	for _, part := range []any{
		elf.Header64{Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_REL), Version: 1, Shoff: 64, Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 1},
		[]elf.Section64{{}, {Type: uint32(elf.SHT_STRTAB), Off: 256, Size: uint64(len(names))},
			{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 256 + uint64(len(names)), Size: uint64(len(code))}},
		append([]byte(names), code...),
	} {
		if err := binary.Write(&object, le, part); err != nil {
			t.Fatal(err)
		}
	}
	archive := fmt.Appendf(nil, "!<arch>\n%-48s%-10d`\n%s", "seven.o/", object.Len(), object.Bytes())

	const ptxInput, objectInput, libraryInput = 1, 3, 4
	caller := []byte(head + `.extern .func (.param .b32 r) seven();
.visible .entry k(.param .u64 p)
{
	.reg .b32 %v;
	.reg .b64 %a;
	.param .b32 back;
	ld.param.u64 %a, [p];
	call (back), seven, ();
	ld.param.b32 %v, [back];
	st.global.u32 [%a], %v;
	ret;
}` + "\x00")
	for kind, file := range map[uint32][]byte{objectInput: object.Bytes(), libraryInput: archive} {
		l, res := r.LinkCreate(nil)
		r.ok(res)
		log := &driver.JITLog{}
		r.ok(r.LinkAdd(l, ptxInput, caller, "caller", nil, log))
		if res = r.LinkAdd(l, kind, file[:len(file)-1], "cut", nil, log); res != driver.ErrorInvalidImage || !strings.Contains(log.Error, "cut") {
			t.Errorf("a file of kind %d that is cut gave %v and %q", kind, res, log.Error)
		}
		r.ok(r.LinkAdd(l, kind, file, "seven", nil, log))
		image, res := r.LinkComplete(l, log)
		if res != driver.Success {
			t.Fatal(res, log.Error)
		}
		m, res := r.ModuleLoad(image, nil, log)
		r.ok(res)
		p := r.alloc(4)
		r.ok(r.launch(r.function(m, "k"), 0, 1, 1, le.AppendUint64(nil, uint64(p))))
		r.ok(r.CtxSynchronize())
		if got := math.Float32bits(r.download(p, 1)[0]); got != 7 {
			t.Errorf("a link with a file of kind %d gave %d, want 7", kind, got)
		}
	}
}
