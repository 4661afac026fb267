// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/texture"
)

// TestTextureBeyondItsMemory makes textures of more memory than there is, as cuda-samples' convolutionFFT2D does.
func TestTextureBeyondItsMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	p := r.alloc(1000)
	object := func(at driver.DevicePtr, bytes uint64) (uint64, driver.Result) {
		res, tex := make([]byte, 144), make([]byte, 104)
		le := binary.LittleEndian
		le.PutUint32(res, resourceLinear)
		le.PutUint64(res[8:], uint64(at))
		le.PutUint32(res[16:], uint32(texture.Float))
		le.PutUint32(res[20:], 1)
		le.PutUint64(res[24:], bytes)
		return r.TexObjectCreate(res, tex, nil)
	}
	for bytes, width := range map[uint64]int{400: 100, 1000: 250, 1004: 250, 1 << 20: 250} {
		h, res := object(p, bytes)
		r.ok(res)
		if got := sampled[*texture.Texture](r.d, h).Levels[0].Width; got != width {
			t.Errorf("of %d bytes, kernels see %d texels, want %d", bytes, got, width)
		}
		r.ok(r.TexObjectDestroy(h))
		r.want(r.TexObjectDestroy(h), driver.ErrorInvalidValue)
	}
	_, res := object(p+1024, 4)
	r.want(res, driver.ErrorInvalidValue)
	_, res = object(p, 1<<40)
	r.want(res, driver.ErrorInvalidValue)
}
