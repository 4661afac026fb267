// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"slices"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// imageDriver keeps the image that it is given last.
type imageDriver struct {
	*fakeDriver
	image []byte
}

func (d *imageDriver) ModuleLoad(image []byte, _ []driver.JITOption, _ *driver.JITLog) (driver.Module, driver.Result) {
	d.image = image
	return 1, driver.Success
}

// The driver is not told where an image ends: it must not look beyond it, nor at addresses in it.
func TestImages(t *testing.T) {
	t.Parallel()
	s, f := fakeServer(anyRegion(t))
	defer close(s.waiters.jobs)
	d := &imageDriver{fakeDriver: f}
	stage := driver.HostPtr(uint64(s.region.base) + wire.StageOffset)
	load := func(image []byte) driver.Result {
		copy(s.region.window(stage, uint64(len(image))), image)
		if _, r := s.onImageAppend(d, uint64(len(image)), stage, uint64(len(image)), 1); r != driver.Success {
			return r
		}
		_, r := s.onModuleLoad(d, nil, 0, make([]byte, wire.JITLogSize))
		return r
	}
	if r := load([]byte(".version 8.0")); r != driver.Success {
		t.Fatal(r)
	}
	if behind := d.image[len(d.image):cap(d.image)]; len(behind) < imageMargin || slices.Max(behind) != 0 {
		t.Errorf("behind an image lie %v", behind)
	}
	// A container's wrapper, whose address is that of the region's heap.
	wrapper := le.AppendUint32(le.AppendUint32(nil, 0x466243B1), 1)
	wrapper = le.AppendUint64(wrapper, uint64(s.region.base)+wire.HeapOffset(s.region.size))
	container := le.AppendUint64(le.AppendUint64(nil, 0x00100001_BA55ED50), 1<<30)
	for name, image := range map[string][]byte{"a structure with addresses": wrapper, "a container beyond the image": container} {
		d.image = nil
		if r := load(image); r != driver.ErrorInvalidImage {
			t.Errorf("%s: %v", name, r)
		}
		if _, r := s.onModuleLoad(d, nil, 0, make([]byte, wire.JITLogSize)); r == driver.Success && len(d.image) > 0 {
			t.Errorf("%s reaches the driver", name)
		}
	}
	d.image = nil
	copy(s.region.window(stage, uint64(len(wrapper))), wrapper)
	if _, r := s.onImageAppend(d, 4096, stage, uint64(len(wrapper)), 1); r != driver.Success {
		t.Fatal(r)
	}
	if s.onModuleLoad(d, nil, 0, make([]byte, wire.JITLogSize)); len(d.image) > 0 {
		t.Error("an image that has not come in whole reaches the driver")
	}
	for _, piece := range [][2]uint64{{10, 5}, {10 + imageMargin, 5 + imageMargin}} { // another size than at first
		s.onImageAppend(d, piece[0], stage, piece[1], 1)
	}
	if len(s.image) != 5+imageMargin {
		t.Errorf("pieces of two images are one of %d bytes", len(s.image))
	}
}

func TestJITOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ids, want []uint32
		r         driver.Result
	}{
		{[]uint32{0, 7, 12}, []uint32{0, 7, 12}, driver.Success},
		{[]uint32{4, 6, 33, 34}, []uint32{33, 34}, driver.Success},
		{[]uint32{7, 25, 26, 27, 28}, []uint32{7}, driver.Success},
		{[]uint32{17}, nil, driver.ErrorNotSupported},
		{[]uint32{7, 18}, nil, driver.ErrorNotSupported},
		{[]uint32{19}, nil, driver.ErrorNotSupported},
		{[]uint32{35}, nil, driver.ErrorNotSupported},
		{[]uint32{^uint32(0)}, nil, driver.ErrorNotSupported},
	} {
		var b []byte
		for _, id := range c.ids {
			b = append(b, words(uint64(id), 0x4141414141414141)...)
		}
		options, log, r := jit(b)
		var got []uint32
		for _, o := range options {
			got = append(got, o.ID)
		}
		if r != c.r || !slices.Equal(got, c.want) || log.InfoBytes > wire.JITLogBytes || log.ErrorBytes > wire.JITLogBytes {
			t.Errorf("options %v become %v, %v; want %v, %v", c.ids, got, r, c.want, c.r)
		}
	}
}
