// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
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
