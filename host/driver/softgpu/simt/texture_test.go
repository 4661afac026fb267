// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"errors"
	"testing"

	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// imageKernels use what nvcc rarely makes: queries, formatted stores and reductions. named is a reference.
const imageKernels = `.version 7.8
.target sm_60
.address_size 64
.global .texref named;

.visible .entry query(.param .u64 ps, .param .u64 pout)
{
	.reg .b32 %r<8>;
	.reg .b64 %d<4>;
	ld.param.u64 %d1, [ps];
	ld.param.u64 %d2, [pout];
	suq.width.b32 %r1, [%d1];
	suq.height.b32 %r2, [%d1];
	txq.depth.b32 %r3, [named];
	txq.normalized_coords.b32 %r4, [named];
	st.global.v4.u32 [%d2], {%r1, %r2, %r3, %r4};
	ret;
}

.visible .entry formatted(.param .u64 ps)
{
	.reg .b32 %r<4>;
	.reg .b64 %d<2>;
	ld.param.u64 %d1, [ps];
	mov.u32 %r1, %tid.x;
	mul.lo.u32 %r2, %r1, 100;
	sust.p.2d.v2.b32.zero [%d1, {%r1, 1}], {%r2, %r1};
	ret;
}

.visible .entry reduce(.param .u64 ps)
{
	.reg .b32 %r<4>;
	.reg .b64 %d<2>;
	ld.param.u64 %d1, [ps];
	mov.u32 %r1, %tid.x;
	sured.b.add.2d.u32.trap [%d1, {4, 0}], %r1;
	sured.b.max.2d.s32.trap [%d1, {8, 0}], %r1;
	ret;
}

.visible .entry beyond(.param .u64 ps)
{
	.reg .b32 %r<4>;
	.reg .b64 %d<2>;
	ld.param.u64 %d1, [ps];
	suld.b.2d.b32.trap {%r1}, [%d1, {0, 9}];
	ret;
}
`

func TestImageInstructions(t *testing.T) {
	t.Parallel()
	g := newGPU(t)
	m := g.module(imageKernels)
	const surface = 77
	picture := &texture.Image{Format: texture.Unsigned8, Channels: 4, Width: 8, Height: 2, Depth: 1, Pitch: 32, Slice: 64, Base: array(g, make([]uint32, 16))}
	volume := &texture.Texture{Levels: []*texture.Image{{Format: texture.Float, Channels: 1, Width: 1, Height: 1, Depth: 3}}, Normalized: true}
	g.Surface = func(h uint64) *texture.Image {
		if h == surface {
			return picture
		}
		return nil
	}
	g.Texture = func(h uint64) *texture.Texture {
		if h == m.References["named"] {
			return volume
		}
		return nil
	}
	out := g.alloc(16)
	g.run(m, "query", [3]uint32{1, 1, 1}, [3]uint32{1, 1, 1}, uint64(surface), out)
	if got := [4]uint32(values[uint32](g, out, 4)); got != [4]uint32{8, 2, 3, 1<<32 - 1} {
		t.Errorf("queries gave %v", got)
	}
	g.run(m, "formatted", [3]uint32{1, 1, 1}, [3]uint32{10, 1, 1}, uint64(surface))
	if got := values[uint8](g, picture.Base+32, 32); got[4] != 100 || got[5] != 1 || got[12] != 255 || got[13] != 3 {
		t.Errorf("formatted stores gave %v", got)
	}
	g.run(m, "reduce", [3]uint32{1, 1, 1}, [3]uint32{32, 1, 1}, uint64(surface))
	if got := values[uint32](g, picture.Base, 3); got[1] != 31*16 || got[2] != 31 {
		t.Errorf("reductions gave %v", got)
	}
	for _, c := range []struct {
		handle uint64
		kind   Kind
	}{{surface, Trap}, {surface + 1, IllegalAddress}} {
		var f *Fault
		if err := g.prepare(m, "beyond", [3]uint32{1, 1, 1}, [3]uint32{1, 1, 1}, c.handle).Run(); !errors.As(err, &f) || f.Kind != c.kind {
			t.Errorf("surface %d: %v", c.handle, err)
		}
	}
}
