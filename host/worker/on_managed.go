// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"bytes"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/fatbin"
	"github.com/orion-vgpu/orion/host/driver/managed"
)

// placement is where the managed variables of an image are.
type placement struct {
	image   *managed.Image
	library bool
}

// findManaged reads the managed variables of the image that was sent and returns the bytes that they need. Where they
// cannot be moved they stay with the driver: kernels use them as ever, the host cannot.
func (s *server) findManaged(api driver.API) uint64 {
	image, err := s.readManaged(api)
	if err != nil {
		s.log.Warn("the program cannot reach the managed variables of a module", "reason", err)
		return 0
	}
	if len(image.Variables) == 0 {
		s.log.Warn("the program cannot reach the managed variables of a module", "reason", "those found are not in the code for this GPU")
		return 0
	}
	s.managed = image
	return max(image.Bytes, 1)
}

// capability is the compute capability of the current context's GPU, or the first one's, 90 for 9.0.
func (s *server) capability(api driver.API) (int, error) {
	const major, minor = 75, 76
	gpu := driver.Device(max(0, s.gpu(api)))
	x, r := api.DeviceGetAttribute(major, gpu)
	if r != driver.Success {
		return 0, r
	}
	y, r := api.DeviceGetAttribute(minor, gpu)
	if r != driver.Success {
		return 0, r
	}
	return int(10*x + y), nil
}

func (s *server) readManaged(api driver.API) (*managed.Image, error) {
	if s.current == 0 {
		api.CtxSetCurrent(s.home)
		defer api.CtxSetCurrent(0)
	}
	capability, err := s.capability(api)
	if err != nil {
		return nil, err
	}
	if s.cfg.Backend != "cuda" {
		text, err := fatbin.PTX(s.image, capability)
		if err != nil {
			return nil, err
		}
		return managed.FromText([]byte(text))
	}
	code, text, err := fatbin.Code(s.image, capability)
	if err == nil && code == nil {
		code, err = compile(api, text)
	}
	if err != nil {
		return nil, err
	}
	return managed.FromCode(code)
}

// compile makes machine code of PTX.
func compile(api driver.API, text string) ([]byte, error) {
	const inputPTX = 1
	l, r := api.LinkCreate(nil)
	if r != driver.Success {
		return nil, r
	}
	defer api.LinkDestroy(l)
	var log driver.JITLog
	if r := api.LinkAdd(l, inputPTX, append([]byte(text), 0), "managed", nil, &log); r != driver.Success {
		return nil, r
	}
	code, r := api.LinkComplete(l, &log)
	if r != driver.Success {
		return nil, r
	}
	return bytes.Clone(code), nil
}

// onImagePlace gives the managed variables of the image that was sent their place, in pinned memory. Those of a library
// are of no context, and stay when one ends.
func (s *server) onImagePlace(api driver.API, host driver.HostPtr, n uint64, library uint32) driver.Result {
	if s.current == 0 {
		api.CtxSetCurrent(s.home)
		defer api.CtxSetCurrent(0)
	}
	image := s.managed
	if image == nil || n < image.Bytes || !s.region.contains(host, n) || s.memory.hostBytes(host) < n {
		return driver.ErrorInvalidValue
	}
	at, r := api.MemHostGetDevicePointer(host, 0)
	if r != driver.Success {
		return r
	}
	if uint64(at) != uint64(host) {
		s.log.Warn("the program cannot reach the managed variables of a module", "reason", "the GPU has other addresses for pinned memory")
		return driver.ErrorNotSupported
	}
	memory := s.region.window(host, n)
	clear(memory)
	placed, err := image.Place(uint64(host), memory)
	if err != nil {
		s.log.Warn("the program cannot reach the managed variables of a module", "reason", err)
		return driver.ErrorNotSupported
	}
	s.image, s.imageBytes, s.managed, s.placed[host] = placed, uint64(len(placed)), nil, placement{image, library != 0}
	s.log.Debug("managed variables are shared with the program", "count", len(image.Variables), "bytes", image.Bytes)
	return driver.Success
}

// onManagedVariable tells where a managed variable lies, of those that were placed at host.
func (s *server) onManagedVariable(_ driver.API, host driver.HostPtr, name string) (driver.DevicePtr, uint64, driver.Result) {
	p, ok := s.placed[host]
	if !ok {
		return 0, 0, driver.ErrorInvalidValue
	}
	v, ok := p.image.Variable(name)
	if !ok {
		return 0, 0, driver.ErrorNotFound
	}
	return driver.DevicePtr(uint64(host) + v.At), v.Size, driver.Success
}
