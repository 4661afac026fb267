// SPDX-License-Identifier: Apache-2.0

package texture

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// image is a picture of one channel of floats in a GPU's memory.
func image(t *testing.T, width, height, depth int, v ...float32) *Image {
	t.Helper()
	if len(v) != width*height*depth {
		t.Fatalf("%d texels for %d by %d by %d", len(v), width, height, depth)
	}
	d, err := mem.NewDevice(mem.NewSpace(), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	base, err := d.Alloc(uint64(4*len(v)), mem.Range{})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range v {
		binary.LittleEndian.PutUint32(mem.Bytes(base+uint64(4*i), 4), math.Float32bits(f))
	}
	return &Image{Format: Float, Channels: 1, Width: width, Height: height, Depth: depth, Base: base,
		Pitch: uint64(4 * width), Slice: uint64(4 * width * height)}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  Mode
		i, at int
		ok    bool
	}{
		{Wrap, -1, 3, true}, {Wrap, 4, 0, true}, {Wrap, -9, 3, true}, {Mirror, -1, 0, true}, {Mirror, 4, 3, true},
		{Mirror, 7, 0, true}, {Mirror, 8, 0, true}, {Mirror, -5, 3, true}, {Clamp, -7, 0, true}, {Clamp, 9, 3, true},
		{Border, -1, 0, false}, {Border, 4, 0, false}, {Border, 2, 2, true},
	} {
		if at, ok := c.mode.index(c.i, 4); at != c.at || ok != c.ok {
			t.Errorf("mode %d puts %d at %d, %v, not at %d, %v", c.mode, c.i, at, ok, c.at, c.ok)
		}
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	m := image(t, 4, 2, 1, 0, 1, 2, 3, 10, 11, 12, 13)
	for _, c := range []struct {
		name       string
		x, y, want float32
		linear     bool
		normalized bool
		mode       Mode
	}{
		{"a texel's centre", 1.5, 0.5, 1, true, false, Clamp},
		{"between four", 2, 1, 6.5, true, false, Clamp},
		{"a weight of 1/256", 1.5 + 1./256, 0.5, 1 + 1./256, true, false, Clamp},
		{"a weight too small", 1.5 + 1./1024, 0.5, 1, true, false, Clamp},
		{"before the edge", -3, 0.5, 0, true, false, Clamp},
		{"nearest", 2.999, 1.01, 12, false, false, Clamp},
		{"not a number", float32(math.NaN()), 0.5, 0, false, false, Clamp},
		{"far away", 1e30, 0.5, 3, false, false, Clamp},
		{"wrapped", 1.125, 0.25, 0, false, true, Wrap},
		{"wrapped filter", 0, 0.25, 1.5, true, true, Wrap},
		{"border", -1, 0.5, 100, true, false, Border},
		{"half border", 0, 0.5, 50, true, false, Border},
	} {
		s := &Texture{Levels: []*Image{m}, Linear: c.linear, Normalized: c.normalized, Address: [3]Mode{c.mode, c.mode, c.mode},
			BorderOf: Color{100}}
		if got := math.Float32frombits(s.Sample(D2, Position{At: [3]float32{c.x, c.y}})[0]); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestAnyPosition: no coordinate leads outside an image, whatever the texture is.
func TestAnyPosition(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	wild := func() float32 {
		return []float32{math.Float32frombits(r.Uint32()), r.Float32()*20 - 10, float32(math.Inf(1)), float32(math.NaN())}[r.IntN(4)]
	}
	images := []*Image{image(t, 3, 3, 6, make([]float32, 54)...), image(t, 1, 1, 6, make([]float32, 6)...)}
	for range 20000 {
		s := &Texture{Levels: images[:1+r.IntN(2)], Linear: r.IntN(2) == 0, MipLinear: r.IntN(2) == 0, Normalized: r.IntN(2) == 0,
			Integer: r.IntN(2) == 0, Bias: wild(), MinClamp: wild(), MaxLOD: wild()}
		for i := range s.Address {
			s.Address[i] = Mode(r.IntN(4))
		}
		for g := D1; g <= CubeArray; g++ {
			at := [3]float32{wild(), wild(), wild()}
			s.Sample(g, Position{r.Uint32(), at, wild()})
			s.Gather(g, Position{r.Uint32(), at, 0}, r.IntN(4))
			s.Fetch(g, r.Uint32(), [3]int32{int32(r.Uint32()), int32(r.Uint32()), -1}, int32(r.Uint32()))
			s.Sample(g, Position{0, at, s.Level(g, at, at)})
		}
		size := 1 << r.IntN(5)
		for mode := Trap; mode <= Zero; mode++ {
			if b, ok := images[0].Bytes(mode, int32(r.Uint32()), int32(r.Uint32()), int32(r.IntN(9)-2), size); ok && b != nil && len(b) != size {
				t.Fatalf("%d bytes, not %d", len(b), size)
			}
		}
	}
}

func TestHalf(t *testing.T) {
	t.Parallel()
	for h := range 1 << 16 {
		f := halfToFloat(uint16(h))
		if f != f {
			continue
		}
		if back := floatToHalf(f); back != uint16(h) {
			t.Fatalf("%#04x is %v and comes back as %#04x", h, f, back)
		}
	}
	for f, want := range map[float32]uint16{65519: 0x7bff, 65520: 0x7c00, 1 + 1./2048: 0x3c00, 1 + 3./2048: 0x3c02, 1e-9: 0, -2: 0xc000} {
		if got := floatToHalf(f); got != want {
			t.Errorf("%v becomes %#04x, not %#04x", f, got, want)
		}
	}
}

func TestPromotion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f    Format
		v    uint32
		want float32
	}{
		{Unsigned8, 255, 1}, {Unsigned8, 51, 0.2}, {Signed8, 0xffffff80, -1}, {Signed8, 127, 1}, {Unsigned16, 65535, 1},
		{Signed16, 0xffff8001, -1}, {Signed16, 0xffff8000, -1},
	} {
		if got := c.f.promote(c.v); got != c.want {
			t.Errorf("format %#x: %#x is %v, not %v", c.f, c.v, got, c.want)
		}
	}
	b := make([]byte, 4)
	for _, c := range []struct {
		f    Format
		v    uint32
		want byte
	}{{Unsigned8, 300, 255}, {Signed8, 0xffffff00, 0x80}, {Signed8, 200, 127}} {
		if c.f.put(b, c.v); b[0] != c.want {
			t.Errorf("format %#x: %#x is stored as %#x, not %#x", c.f, c.v, b[0], c.want)
		}
	}
}
