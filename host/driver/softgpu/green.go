// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"encoding/binary"

	"github.com/orion-vgpu/orion/host/driver"
)

// Multiprocessors are handed out in groups of eight, as on GPUs of this capability, or in pairs to those who do
// not care where they lie.
const (
	resourceBytes   = 144
	resourceSM      = 1 // CU_DEV_RESOURCE_TYPE_SM
	groupSize       = 8
	looseGroupSize  = 2
	ignoreGroups    = 1 // CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING
	maxPartition    = 2 // CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE
	greenWithStream = 1 // CU_GREEN_CTX_DEFAULT_STREAM
)

// smResource is a CUdevResource of multiprocessors. The fields before offset 96 are the driver's own.
type smResource struct {
	device       int
	count, group uint32
}

func (s smResource) put(b []byte) {
	le := binary.LittleEndian
	clear(b)
	le.PutUint32(b, resourceSM)
	le.PutUint32(b[4:], uint32(s.device))
	le.PutUint32(b[96:], s.count)
	le.PutUint32(b[100:], min(s.group, s.count))
	le.PutUint32(b[104:], s.group)
}

func getResource(b []byte) (smResource, bool) {
	le := binary.LittleEndian
	s := smResource{device: int(le.Uint32(b[4:])), count: le.Uint32(b[96:]), group: le.Uint32(b[104:])}
	return s, le.Uint32(b) == resourceSM && s.count > 0 && s.count <= multiprocessors && s.group > 0
}

// greenContext stands for the context that runs on some of its GPU's multiprocessors.
type greenContext struct {
	id  uint64
	ctx *context
}

// resourceDesc says how many multiprocessors a green context gets.
type resourceDesc struct {
	device int
	count  uint32
}

func (t *thread) DeviceGetDevResource(dev driver.Device, out []byte, kind uint32) driver.Result {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return r
	}
	return putResource(d, multiprocessors, out, kind)
}

func putResource(d *device, count uint32, out []byte, kind uint32) driver.Result {
	if kind != resourceSM {
		return driver.ErrorInvalidResourceType
	}
	smResource{d.ordinal, count, groupSize}.put(out)
	return driver.Success
}

func (t *thread) CtxGetDevResource(ctx driver.Context, out []byte, kind uint32) driver.Result {
	c, r := find[*context](t.d, ctx)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	return putResource(c.dev, uint32(c.machine.SMs), out, kind)
}

func (t *thread) GreenCtxGetDevResource(h driver.GreenContext, out []byte, kind uint32) driver.Result {
	g, r := find[*greenContext](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	return putResource(g.ctx.dev, uint32(g.ctx.machine.SMs), out, kind)
}

func (t *thread) DevSmResourceSplitByCount(result []byte, groups uint32, input, remaining []byte, flags, minimum uint32) (uint32, driver.Result) {
	whole, ok := getResource(input)
	if !ok || flags&^(ignoreGroups|maxPartition) != 0 {
		return 0, driver.ErrorInvalidResourceConfiguration
	}
	unit := uint32(groupSize)
	if flags&ignoreGroups != 0 {
		unit = looseGroupSize
	}
	size := max((minimum+unit-1)/unit, 1) * unit
	if minimum > whole.count || size > whole.count {
		return 0, driver.ErrorInvalidResourceConfiguration
	}
	n := whole.count / size
	if len(result) == 0 {
		return n, driver.Success
	}
	n = min(n, groups, uint32(len(result)/resourceBytes))
	for i := range n {
		smResource{whole.device, size, unit}.put(result[i*resourceBytes:][:resourceBytes])
	}
	if len(remaining) >= resourceBytes {
		clear(remaining)
		if rest := whole.count - n*size; rest > 0 {
			smResource{whole.device, rest, unit}.put(remaining)
		}
	}
	return n, driver.Success
}

func (t *thread) DevResourceGenerateDesc(resources []byte, n uint32) (driver.ResourceDesc, driver.Result) {
	var desc resourceDesc
	if n == 0 || uint64(len(resources)) < uint64(n)*resourceBytes {
		return 0, driver.ErrorInvalidValue
	}
	for i := range n {
		s, ok := getResource(resources[i*resourceBytes:])
		if !ok || i > 0 && s.device != desc.device {
			return 0, driver.ErrorInvalidResourceConfiguration
		}
		desc.device = s.device
		if desc.count += s.count; desc.count > multiprocessors {
			return 0, driver.ErrorInvalidResourceConfiguration
		}
	}
	return driver.ResourceDesc(t.d.handles.add(&desc)), driver.Success
}

func (t *thread) GreenCtxCreate(h driver.ResourceDesc, dev driver.Device, flags uint32) (driver.GreenContext, driver.Result) {
	desc, r := find[*resourceDesc](t.d, h)
	if r != driver.Success {
		return 0, driver.ErrorInvalidResourceConfiguration
	}
	d, r := t.d.device(dev)
	if r != driver.Success {
		return 0, r
	}
	if flags != greenWithStream || desc.device != d.ordinal {
		return 0, driver.ErrorInvalidValue
	}
	primary, r := t.DevicePrimaryCtxRetain(dev)
	if r != driver.Success {
		return 0, r
	}
	home, r := find[*context](t.d, primary)
	if r != driver.Success {
		return 0, r
	}
	g := &greenContext{ctx: t.d.newContext(d, 0)}
	g.ctx.parent = home
	g.ctx.machine.SMs = desc.count
	g.id = t.d.handles.add(g)
	return driver.GreenContext(g.id), driver.Success
}

func (t *thread) GreenCtxDestroy(h driver.GreenContext) driver.Result {
	g, r := find[*greenContext](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	t.d.handles.remove(g.id)
	if t.current == g.ctx {
		t.current = nil
	}
	g.ctx.destroy()
	if g.ctx.parent.dead.Load() { // reset meanwhile
		return driver.Success
	}
	return t.DevicePrimaryCtxRelease(driver.Device(g.ctx.dev.ordinal))
}

func (t *thread) CtxFromGreenCtx(h driver.GreenContext) (driver.Context, driver.Result) {
	g, r := find[*greenContext](t.d, h)
	if r != driver.Success {
		return 0, driver.ErrorInvalidContext
	}
	return driver.Context(g.ctx.id), driver.Success
}

func (t *thread) GreenCtxStreamCreate(h driver.GreenContext, flags uint32, priority int32) (driver.Stream, driver.Result) {
	g, r := find[*greenContext](t.d, h)
	if r != driver.Success {
		return 0, driver.ErrorInvalidContext
	}
	if flags != 1 {
		return 0, driver.ErrorInvalidValue
	}
	current := t.current
	t.current = g.ctx
	defer func() { t.current = current }()
	return t.StreamCreateWithPriority(flags, priority)
}

func (t *thread) GreenCtxRecordEvent(h driver.GreenContext, e driver.Event) driver.Result {
	g, r := find[*greenContext](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	return t.CtxRecordEvent(driver.Context(g.ctx.id), e)
}

func (t *thread) GreenCtxWaitEvent(h driver.GreenContext, e driver.Event) driver.Result {
	g, r := find[*greenContext](t.d, h)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	return t.CtxWaitEvent(driver.Context(g.ctx.id), e)
}

// CtxGetExecAffinity: only shared servers limit the multiprocessors of ordinary contexts.
func (t *thread) CtxGetExecAffinity([]byte, uint32) driver.Result {
	if _, r := t.context(); r != driver.Success {
		return r
	}
	return driver.ErrorUnsupportedExecAffinity
}
