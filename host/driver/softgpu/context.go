// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/simt"
)

// Numbers of CUlimit.
const (
	limitStack  = 0
	limitPrintf = 1
	limitHeap   = 2
)

// context is a context of one GPU. A fault of a kernel is sticky: every further call returns it.
type context struct {
	d         *Driver
	id        uint64
	dev       *device
	fault     atomic.Int32
	machine   simt.Machine
	dead      atomic.Bool
	mu        sync.Mutex
	limits    map[uint32]uint64
	running   map[*simt.Launch]struct{}
	heap      map[uint64]uint64 // what kernels allocated, with its size
	heapBytes uint64
	modules   map[*module]struct{}
	owned     map[uint64]struct{} // allocations that end with the context
	hosts     map[uint64]struct{} // registrations of host memory that do
	order     sync.Mutex          // of submissions, for the default stream
	streams   map[*stream]struct{}
	legacy    *stream
	perHost   *stream
	primary   bool
	parent    *context // of a green context: the primary context, which owns its memory
	flags     uint32
}

func (d *Driver) newContext(dev *device, flags uint32) *context {
	c := &context{d: d, dev: dev, flags: flags, limits: map[uint32]uint64{limitStack: 1024, limitPrintf: 1 << 20, limitHeap: 8 << 20},
		running: map[*simt.Launch]struct{}{}, heap: map[uint64]uint64{}, modules: map[*module]struct{}{},
		owned: map[uint64]struct{}{}, hosts: map[uint64]struct{}{}, streams: map[*stream]struct{}{}}
	c.machine = simt.Machine{Space: d.space, SMs: multiprocessors, Alloc: c.heapAlloc, Free: c.heapFree, Print: d.cfg.Stdout, PrintError: d.cfg.Stderr,
		StackBytes: 1024, Helpers: d.helpers}
	c.legacy, c.perHost = c.newStream(true), c.newStream(true)
	c.id = d.handles.add(c)
	d.contexts.Store(c, nil)
	return c
}

// result is the context's fault, or Success.
func (c *context) result() driver.Result {
	if c.dead.Load() {
		return driver.ErrorContextIsDestroyed
	}
	return driver.Result(c.fault.Load())
}

// fail records a kernel's fault.
func (c *context) fail(err error) driver.Result {
	var f *simt.Fault
	if !errors.As(err, &f) {
		return driver.ErrorUnknown
	}
	r := map[simt.Kind]driver.Result{simt.IllegalAddress: driver.ErrorIllegalAddress, simt.Misaligned: driver.ErrorMisalignedAddress,
		simt.IllegalInstruction: driver.ErrorIllegalInstruction, simt.Trap: driver.ErrorLaunchFailed, simt.Assert: driver.ErrorAssert,
		simt.StackOverflow: driver.ErrorHardwareStackError, simt.Deadlock: driver.ErrorLaunchTimeout,
		simt.Killed: driver.ErrorLaunchFailed, simt.InvalidPC: driver.ErrorInvalidPc}[f.Kind]
	if c.fault.CompareAndSwap(0, int32(r)) && f.Kind != simt.Killed {
		c.d.log.Error("kernel failed", "fault", f.Error(), "result", r.Error())
	}
	return r
}

// home is the context to which memory and modules of this one belong.
func (c *context) home() *context {
	if c.parent != nil {
		return c.parent
	}
	return c
}

// heapAlloc and heapFree serve malloc and free of kernels.
func (c *context) heapAlloc(n uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.limits[limitHeap] || c.heapBytes > c.limits[limitHeap]-n {
		return 0
	}
	a, err := c.dev.alloc(n, mem.Range{Symbol: true})
	if err != nil {
		return 0
	}
	c.heap[a] = n
	c.heapBytes += n
	return a
}

func (c *context) heapFree(a uint64) bool {
	c.mu.Lock()
	n, ok := c.heap[a]
	delete(c.heap, a)
	c.heapBytes -= n
	c.mu.Unlock()
	return ok && c.dev.memory.Free(a)
}

// destroy stops the context's kernels, ends its streams and frees its memory.
func (c *context) destroy() {
	if c.dead.Swap(true) {
		return
	}
	c.d.eachContext(func(o *context) {
		if o.parent == c {
			o.destroy()
		}
	})
	c.mu.Lock()
	for l := range c.running {
		l.Kill()
	}
	c.mu.Unlock()
	c.order.Lock()
	streams := maps.Clone(c.streams)
	c.order.Unlock()
	for s := range streams {
		s.close()
	}
	for s := range streams {
		s.tail().wait()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range c.heap {
		c.dev.memory.Free(a)
	}
	for a := range c.owned {
		c.dev.free(a)
	}
	for p := range c.hosts {
		c.d.space.Remove(p)
	}
	for m := range c.modules {
		m.free()
	}
	c.d.handles.remove(c.id)
	c.d.contexts.Delete(c)
}

func (t *thread) CtxCreate(flags uint32, dev driver.Device) (driver.Context, driver.Result) {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return 0, r
	}
	t.current = t.d.newContext(d, flags)
	return driver.Context(t.current.id), driver.Success
}

func (t *thread) CtxDestroy(ctx driver.Context) driver.Result {
	c, r := find[*context](t.d, ctx)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	if t.current == c {
		t.current = nil
	}
	c.destroy()
	return driver.Success
}

func (t *thread) CtxGetDevice() (driver.Device, driver.Result) {
	c, r := t.context()
	if c == nil {
		return 0, r
	}
	return driver.Device(c.dev.ordinal), driver.Success
}

func (t *thread) CtxSetCurrent(ctx driver.Context) driver.Result {
	if ctx == 0 {
		t.current = nil
		return driver.Success
	}
	c, r := find[*context](t.d, ctx)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	t.current = c
	return driver.Success
}

func (t *thread) DevicePrimaryCtxRetain(dev driver.Device) (driver.Context, driver.Result) {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return 0, r
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.primary == nil {
		d.primary = t.d.newContext(d, d.primaryFlags)
		d.primary.primary = true
	}
	d.retained++
	return driver.Context(d.primary.id), driver.Success
}

func (t *thread) DevicePrimaryCtxRelease(dev driver.Device) driver.Result {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return r
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.retained == 0 {
		return driver.ErrorInvalidContext
	}
	if d.retained--; d.retained == 0 {
		d.primary.destroy()
		d.primary = nil
	}
	return driver.Success
}

func (t *thread) DevicePrimaryCtxReset(dev driver.Device) driver.Result {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return r
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.primary != nil {
		d.primary.destroy()
		d.primary, d.retained = nil, 0
	}
	return driver.Success
}

func (t *thread) DevicePrimaryCtxSetFlags(dev driver.Device, flags uint32) driver.Result {
	d, r := t.d.device(dev)
	if r == driver.Success {
		d.primaryFlags = flags
	}
	return r
}

func (t *thread) CtxSynchronize() driver.Result {
	c, r := t.context()
	if r != driver.Success {
		return r
	}
	if c.capturing() {
		return driver.ErrorStreamCaptureUnsupported
	}
	c.wait()
	c.dev.synchronized()
	return c.result()
}

// wait returns when all work submitted so far has ended.
func (c *context) wait() {
	c.order.Lock()
	var tails []fence
	for s := range c.streams {
		tails = append(tails, s.tail())
	}
	c.order.Unlock()
	for _, f := range tails {
		f.wait()
	}
}

func (t *thread) CtxGetLimit(limit uint32) (uint64, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	if limit > 7 {
		return 0, driver.ErrorUnsupportedLimit
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limits[limit], driver.Success
}

func (t *thread) CtxSetLimit(limit uint32, value uint64) driver.Result {
	c, r := t.context()
	if r != driver.Success {
		return r
	}
	if limit > 7 {
		return driver.ErrorUnsupportedLimit
	}
	if limit == limitStack && value > 512<<10 {
		return driver.ErrorInvalidValue
	}
	c.wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits[limit] = value
	if limit == limitStack {
		c.machine.StackBytes = value
	}
	return driver.Success
}

// Settings of caches change nothing here.
func (t *thread) CtxGetCacheConfig() (uint32, driver.Result) { _, r := t.context(); return 0, r }
func (t *thread) CtxSetCacheConfig(uint32) driver.Result     { _, r := t.context(); return r }
func (t *thread) CtxGetSharedMemConfig() (uint32, driver.Result) {
	_, r := t.context()
	return 1, r
}
func (t *thread) CtxSetSharedMemConfig(uint32) driver.Result { _, r := t.context(); return r }
func (t *thread) CtxResetPersistingL2Cache() driver.Result   { _, r := t.context(); return r }
func (t *thread) CtxGetStreamPriorityRange() (least, greatest int32, r driver.Result) {
	_, r = t.context()
	return 0, -5, r
}

// Every GPU reaches the memory of every other: enabling it is bookkeeping.
func (t *thread) CtxEnablePeerAccess(peer driver.Context, flags uint32) driver.Result {
	c, r := t.context()
	if r != driver.Success {
		return r
	}
	p, r := find[*context](t.d, peer)
	if r != driver.Success || p == c {
		return driver.ErrorInvalidContext
	}
	if flags != 0 || p.dev == c.dev {
		return driver.ErrorInvalidValue
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dev.peers(p.dev, true) {
		return driver.ErrorPeerAccessAlreadyEnabled
	}
	return driver.Success
}

func (t *thread) CtxDisablePeerAccess(peer driver.Context) driver.Result {
	c, r := t.context()
	if r != driver.Success {
		return r
	}
	p, r := find[*context](t.d, peer)
	if r != driver.Success {
		return driver.ErrorInvalidContext
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dev.peers(p.dev, false) {
		return driver.ErrorPeerAccessNotEnabled
	}
	return driver.Success
}
