// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/driver/softgpu/simt"
)

// Version is the driver version that the backend reports, 1000 times major plus 10 times minor.
const Version = 13000

// Config says what GPUs to present. Zero values stand for the defaults.
type Config struct {
	Devices     int    // number of GPUs, default 1
	MemoryBytes uint64 // of each GPU, default 4 GiB
	NodeName    string // identities of GPUs derive from it
	// Indices are the GPUs of the node that are shown, in this order; default 0 to Devices-1. They decide
	// UUIDs and PCI addresses.
	Indices    []int
	Capability int               // compute capability, 90 for 9.0, the default
	Stdout     func(text []byte) // takes what kernels print, from any goroutine; nil discards it
	Stderr     func(text []byte) // takes messages of failed assertions; Stdout does if it is nil
	Log        *slog.Logger      // default slog.Default()
}

// Driver presents software GPUs. It is safe for concurrent use.
type Driver struct {
	cfg      Config
	log      *slog.Logger
	space    *mem.Space
	devices  []*device
	helpers  *simt.Pool
	handles  handles
	virtual  virtual
	origin   [16]byte // names this driver to other processes
	imports  imports
	contexts sync.Map   // *context to nothing: all that live
	sampled  sync.Map   // texture and surface objects' handles to the *texture.Texture or *texture.Image that kernels see
	graphs   sync.Mutex // guards all graphs and captures
	captures map[*capture]struct{}

	references sync.Mutex // guards what texture and surface references are bound to
	refused    sync.Map   // functions that were refused, to log each once
	wg         sync.WaitGroup
}

var _ driver.Driver = (*Driver)(nil)

// New makes software GPUs. Close frees them.
func New(cfg Config) (driver.Driver, error) {
	if cfg.Devices == 0 {
		cfg.Devices = max(len(cfg.Indices), 1)
	}
	if cfg.MemoryBytes == 0 {
		cfg.MemoryBytes = 4 << 30
	}
	if cfg.Capability == 0 {
		cfg.Capability = 90
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Stdout == nil {
		cfg.Stdout = func([]byte) {}
	}
	if cfg.Devices < 0 || cfg.Devices > 64 {
		return nil, fmt.Errorf("make software GPUs: %d asked, 1 to 64 are possible", cfg.Devices)
	}
	d := &Driver{cfg: cfg, log: cfg.Log, captures: map[*capture]struct{}{}, space: mem.NewSpace(), handles: handles{objects: map[uint64]any{}, last: 0xf00},
		imports: imports{byAt: map[uint64]*imported{}, byIt: map[where]*imported{}},
		virtual: virtual{reservations: map[uint64]reserved{}, mappings: map[uint64]*mapping{}}}
	_, _ = rand.Read(d.origin[:]) // never fails
	for i := range cfg.Devices {
		index := i
		if i < len(cfg.Indices) {
			index = cfg.Indices[i]
		}
		dev, err := newDevice(d, i, index)
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		d.devices = append(d.devices, dev)
	}
	d.helpers = simt.NewPool(runtime.GOMAXPROCS(0) - 1)
	return d, nil
}

// Close stops all kernels, waits for the streams and unmaps the GPUs' memory.
func (d *Driver) Close() error {
	d.eachContext((*context).destroy)
	d.wg.Wait()
	if d.helpers != nil {
		d.helpers.Close()
	}
	for _, p := range all[*physical](&d.handles) {
		p.dev.memory.FreeBlock(p.block)
	}
	var errs []error
	for _, dev := range d.devices {
		errs = append(errs, dev.memory.Close())
	}
	d.devices = nil
	return errors.Join(errs...)
}

// eachContext calls f for every context.
func (d *Driver) eachContext(f func(*context)) {
	d.contexts.Range(func(c, _ any) bool {
		f(c.(*context))
		return true
	})
}

// NewThread returns a calling thread. It needs no OS thread of its own.
func (d *Driver) NewThread() (driver.API, error) {
	return &thread{d: d, Unsupported: driver.Unsupported{Log: d.refuse}}, nil
}

func (d *Driver) refuse(function string) {
	if _, again := d.refused.LoadOrStore(function, true); !again {
		d.log.Warn("the software GPU does not have this driver function", "function", function)
	}
}

// thread is one calling thread.
type thread struct {
	driver.Unsupported
	d       *Driver
	current *context
	mode    uint32 // of captures
}

var _ driver.API = (*thread)(nil)

func (t *thread) Close() error { return nil }

func (t *thread) Init(flags uint32) driver.Result {
	if flags != 0 {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

func (t *thread) DriverGetVersion() (int32, driver.Result) { return Version, driver.Success }

// context returns the thread's context, and its fault if it has one.
func (t *thread) context() (*context, driver.Result) {
	c := t.current
	if c == nil {
		return nil, driver.ErrorInvalidContext
	}
	return c, c.result()
}

// handles are the objects that callers know, by number.
type handles struct {
	mu      sync.RWMutex
	objects map[uint64]any
	last    uint64
}

func (h *handles) add(o any) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last += 0x10
	h.objects[h.last] = o
	return h.last
}

func (h *handles) remove(id uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.objects, id)
}

// find returns the object of a kind with a number.
func find[T any, H ~uint64](d *Driver, id H) (T, driver.Result) {
	d.handles.mu.RLock()
	defer d.handles.mu.RUnlock()
	o, ok := d.handles.objects[uint64(id)].(T)
	if !ok {
		return o, driver.ErrorInvalidHandle
	}
	return o, driver.Success
}

// all returns the objects of a kind.
func all[T any](h *handles) (list []T) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, o := range h.objects {
		if v, ok := o.(T); ok {
			list = append(list, v)
		}
	}
	return list
}
