// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"github.com/orion-vgpu/orion/host/driver"
)

// resourceBytes is the size of a CUdevResource. Its content is the driver's own and may hold addresses, so only
// what this session was given is handed back to the driver.
const (
	resourceBytes   = 144
	resourcesAtOnce = 2880 / resourceBytes
	maxResources    = 1 << 14
)

type resource [resourceBytes]byte

// greens are a session's green contexts and the resources that it has seen.
type greens struct {
	known    map[resource]struct{}
	split    []resource // of the last resource_split, told in pieces
	rest     resource
	contexts map[driver.GreenContext]driver.Context
}

func (g *greens) note(list ...resource) {
	if g.known == nil {
		g.known = map[resource]struct{}{}
	}
	for _, r := range list {
		if len(g.known) < maxResources {
			g.known[r] = struct{}{}
		}
	}
}

func (g *greens) knows(b []byte) bool {
	for ; len(b) >= resourceBytes; b = b[resourceBytes:] {
		if _, ok := g.known[resource(b)]; !ok {
			return false
		}
	}
	return true
}

// What resource_get asks the resources of.
const (
	ofDevice = iota
	ofContext
	ofGreen
)

func (s *server) onResourceGet(api driver.API, of uint32, d driver.Device, ctx driver.Context, green driver.GreenContext, kind uint32, out []byte) driver.Result {
	var r driver.Result
	switch of {
	case ofDevice:
		r = api.DeviceGetDevResource(d, out, kind)
	case ofContext:
		r = api.CtxGetDevResource(ctx, out, kind)
	case ofGreen:
		if _, ok := s.greens.contexts[green]; !ok {
			return driver.ErrorInvalidContext
		}
		r = api.GreenCtxGetDevResource(green, out, kind)
	default:
		return driver.ErrorInvalidValue
	}
	if r == driver.Success {
		s.greens.note(resource(out))
	}
	return r
}

// onResourceSplit splits a resource when asked from the start, and tells the groups in pieces. For no groups it
// only counts them.
func (s *server) onResourceSplit(api driver.API, groups uint32, input []byte, flags, minimum, start uint32, rest, list []byte) (uint32, driver.Result) {
	g := &s.greens
	if start == 0 {
		const most = 1024 // multiprocessors of a GPU
		if !g.knows(input) || groups > most {
			return 0, driver.ErrorInvalidValue
		}
		room, remaining := make([]byte, resourceBytes*groups), make([]byte, resourceBytes)
		if groups == 0 {
			room, remaining = nil, nil
		}
		n, r := api.DevSmResourceSplitByCount(room, groups, input, remaining, flags, minimum)
		if r != driver.Success || groups == 0 {
			return n, r
		}
		n = min(n, groups)
		g.split, g.rest = make([]resource, n), resource(remaining)
		for i := range g.split {
			g.split[i] = resource(room[i*resourceBytes:])
		}
		g.note(g.split...)
		g.note(g.rest)
	}
	total := uint32(len(g.split))
	if start > total {
		return 0, driver.ErrorInvalidValue
	}
	copy(rest, g.rest[:])
	for i, r := range g.split[start:min(total, start+resourcesAtOnce)] {
		copy(list[i*resourceBytes:], r[:])
	}
	return total, driver.Success
}

func (s *server) onResourceDescribe(api driver.API, resources []byte, n uint32) (driver.ResourceDesc, driver.Result) {
	if n == 0 || !s.greens.knows(resources) {
		return 0, driver.ErrorInvalidResourceConfiguration
	}
	return api.DevResourceGenerateDesc(resources, n)
}

// onGreenCreate makes a green context and the context that stands for it.
func (s *server) onGreenCreate(api driver.API, desc driver.ResourceDesc, d driver.Device, flags uint32) (driver.GreenContext, driver.Context, driver.Result) {
	if desc == 0 || d < 0 || int(d) >= len(s.cfg.VGPUs) {
		return 0, 0, driver.ErrorInvalidValue
	}
	green, r := api.GreenCtxCreate(desc, d, flags)
	if r != driver.Success {
		return 0, 0, r
	}
	ctx, r := api.CtxFromGreenCtx(green)
	if r != driver.Success {
		api.GreenCtxDestroy(green)
		return 0, 0, r
	}
	if s.greens.contexts == nil {
		s.greens.contexts = map[driver.GreenContext]driver.Context{}
	}
	s.greens.contexts[green] = ctx
	return green, ctx, driver.Success
}

// onGreenDestroy ends both; they must belong together, so that neither handle outlives what it names.
func (s *server) onGreenDestroy(api driver.API, green driver.GreenContext, ctx driver.Context) driver.Result {
	if own, ok := s.greens.contexts[green]; !ok || own != ctx {
		return driver.ErrorInvalidContext
	}
	s.watch.forget(func(w watched) bool { return w.context == ctx })
	s.forgetContext()
	delete(s.greens.contexts, green)
	return api.GreenCtxDestroy(green)
}

// onMemDecompress has the GPU decompress; failed becomes the index of the operation that it refused, if the driver says.
func (s *server) onMemDecompress(api driver.API, params []byte, count uint64, flags uint32, stream driver.Stream, failed []byte) driver.Result {
	return api.MemBatchDecompressAsync(params, count, flags, failed, stream)
}

// onMulticastCreate makes an object whose memory comes with what is bound to it, which is charged already.
func (s *server) onMulticastCreate(api driver.API, prop []byte) (driver.MemHandle, driver.Result) {
	h, r := api.MulticastCreate(prop)
	if r == driver.Success {
		s.memory.aliasHandle(h, h)
	}
	return h, r
}
