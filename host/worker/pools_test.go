// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"slices"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

const mib = 1 << 20

// keeping is a driver whose pools reserve memory in chunks, and give it back when they are trimmed: those chunks of which
// nothing is allocated, nor freed without a wait that has seen it. Graphs reserve what the test says.
type keeping struct {
	*fakeDriver
	pools   map[driver.MemPool][]*fakeChunk
	where   map[driver.DevicePtr]func()
	freed   []func() // what has not been waited for
	busy    bool     // the streams
	lacking bool     // attributes
	current driver.MemPool

	graphs, graphsIdle uint64

	events     int
	unrecorded bool // events, for a stream of another context

	asked, trims, ended int
	relaxed             bool
	strictTrims         int
}

type fakeChunk struct{ bytes, live uint64 }

const fakeDefaultPool = driver.MemPool(1)

func (k *keeping) MemAllocAsync(n uint64, s driver.Stream) (driver.DevicePtr, driver.Result) {
	return k.MemAllocFromPoolAsync(n, k.current, s)
}

func (k *keeping) MemAllocFromPoolAsync(n uint64, p driver.MemPool, _ driver.Stream) (driver.DevicePtr, driver.Result) {
	list := k.pools[p]
	i := slices.IndexFunc(list, func(c *fakeChunk) bool { return c.bytes-c.live >= n })
	if i < 0 {
		i = len(list)
		list = append(list, &fakeChunk{bytes: (n + poolChunk - 1) / poolChunk * poolChunk})
		k.pools[p] = list
	}
	c, at := list[i], driver.DevicePtr(k.fresh())
	c.live += n
	k.where[at] = func() { c.live -= n }
	return at, driver.Success
}

func (k *keeping) MemFreeAsync(p driver.DevicePtr, _ driver.Stream) driver.Result {
	if done := k.where[p]; done != nil {
		k.freed = append(k.freed, done)
	}
	return driver.Success
}

func (k *keeping) EventCreate(uint32) (driver.Event, driver.Result) {
	k.events++
	return driver.Event(k.fresh()), driver.Success
}

func (k *keeping) EventRecord(driver.Event, driver.Stream) driver.Result {
	if k.unrecorded {
		return driver.ErrorInvalidHandle
	}
	return driver.Success
}

func (k *keeping) EventQuery(driver.Event) driver.Result { return k.StreamQuery(0) }

func (k *keeping) EventDestroy(driver.Event) driver.Result {
	k.events--
	return driver.Success
}

func (k *keeping) StreamQuery(driver.Stream) driver.Result {
	if k.busy {
		return driver.ErrorNotReady
	}
	return driver.Success
}

func (k *keeping) StreamSynchronize(driver.Stream) driver.Result {
	for _, done := range k.freed {
		done()
	}
	k.freed = nil
	return driver.Success
}

func (k *keeping) MemPoolCreate([]byte) (driver.MemPool, driver.Result) {
	return driver.MemPool(k.fresh()), driver.Success
}

func (k *keeping) MemPoolDestroy(p driver.MemPool) driver.Result {
	k.ended++
	delete(k.pools, p)
	return driver.Success
}

func (k *keeping) DeviceGetDefaultMemPool(driver.Device) (driver.MemPool, driver.Result) {
	return fakeDefaultPool, driver.Success
}

func (k *keeping) DeviceGetMemPool(driver.Device) (driver.MemPool, driver.Result) {
	return k.current, driver.Success
}

func (k *keeping) DeviceSetMemPool(_ driver.Device, p driver.MemPool) driver.Result {
	k.current = p
	return driver.Success
}

func (k *keeping) MemPoolSetAttribute(driver.MemPool, uint32, []byte) driver.Result {
	return driver.Success
}

func (k *keeping) MemPoolGetAttribute(p driver.MemPool, n uint32, value []byte) driver.Result {
	k.asked++
	if k.lacking || n != poolReservedNow {
		return driver.ErrorInvalidValue
	}
	le.PutUint64(value, k.reserved(p))
	return driver.Success
}

func (k *keeping) reserved(p driver.MemPool) (n uint64) {
	for _, c := range k.pools[p] {
		n += c.bytes
	}
	return n
}

func (k *keeping) MemPoolTrimTo(p driver.MemPool, _ uint64) driver.Result {
	k.trims++
	if !k.relaxed {
		k.strictTrims++
	}
	k.pools[p] = slices.DeleteFunc(k.pools[p], func(c *fakeChunk) bool { return c.live == 0 })
	return driver.Success
}

func (k *keeping) DeviceGetGraphMemAttribute(_ driver.Device, n uint32, value []byte) driver.Result {
	k.asked++
	if k.lacking || n != graphReservedNow {
		return driver.ErrorInvalidValue
	}
	le.PutUint64(value, k.graphs)
	return driver.Success
}

func (k *keeping) DeviceGraphMemTrim(driver.Device) driver.Result {
	k.trims++
	k.graphs -= k.graphsIdle
	k.graphsIdle = 0
	return driver.Success
}

func (k *keeping) ThreadExchangeStreamCaptureMode(mode uint32) (uint32, driver.Result) {
	k.relaxed = mode == 2
	return 0, driver.Success
}

func (k *keeping) GraphAddMemAllocNode(driver.Graph, []driver.GraphNode, uint64, []byte) (driver.GraphNode, driver.Result) {
	return driver.GraphNode(k.fresh()), driver.Success
}
func (k *keeping) GraphAddMemFreeNode(driver.Graph, []driver.GraphNode, uint64, driver.DevicePtr) (driver.GraphNode, driver.Result) {
	return driver.GraphNode(k.fresh()), driver.Success
}
func (k *keeping) GraphInstantiateWithFlags(driver.Graph, uint64) (driver.GraphExec, driver.Result) {
	return driver.GraphExec(k.fresh()), driver.Success
}
func (k *keeping) GraphLaunch(driver.GraphExec, driver.Stream) driver.Result { return driver.Success }
func (k *keeping) GraphDestroy(driver.Graph) driver.Result                   { return driver.Success }
func (k *keeping) GraphExecDestroy(driver.GraphExec) driver.Result           { return driver.Success }

// tenant is a session with such a driver. Sizes are in MiB.
type tenant struct {
	*testing.T
	*server
	k *keeping
	c *charging
}

func newTenant(t *testing.T, quota uint64) *tenant {
	t.Helper()
	cfg := Config{VGPUs: []VGPU{{MemoryBytes: quota * mib}}}
	m := newMemory(cfg.VGPUs)
	k := &keeping{fakeDriver: &fakeDriver{memory: m}, pools: map[driver.MemPool][]*fakeChunk{}, where: map[driver.DevicePtr]func(){}, current: fakeDefaultPool}
	c := newCharging(k, m)
	s := newServer(cfg, anyRegion(t), k, c, m)
	t.Cleanup(func() { close(s.waiters.jobs) })
	return &tenant{t, s, k, c}
}

// plain allocates outside pools; want says whether that fits.
func (t *tenant) plain(size uint64, want bool) driver.DevicePtr {
	t.Helper()
	p, r := t.onMemAlloc(t.c, size*mib)
	t.fits("an allocation", r, want)
	return p
}

// pooled allocates bytes from a pool, 0 for the current one.
func (t *tenant) pooled(bytes uint64, pool driver.MemPool, want bool) driver.DevicePtr {
	t.Helper()
	p, r := t.onMemAllocAsync(t.c, bytes, pool, 0)
	t.fits("an allocation from a pool", r, want)
	return p
}

func (t *tenant) fits(what string, r driver.Result, want bool) {
	t.Helper()
	if want && r != driver.Success || !want && r != driver.ErrorOutOfMemory {
		t.Fatalf("%s: %v", what, r)
	}
}

func (t *tenant) free(list ...driver.DevicePtr) {
	t.Helper()
	for _, p := range list {
		if r := t.onMemFreeAsync(t.c, p, 0); r != driver.Success {
			t.Fatal(r)
		}
	}
}

// left is what the client is told, in MiB.
func (t *tenant) left(want uint64) {
	t.Helper()
	free, _, _ := t.onMemInfo(t.c)
	if free != want*mib {
		t.Fatalf("%d bytes are left, want %d MiB", free, want)
	}
}

// graph makes an instance of a graph that allocates, and frees what it allocates or not.
func (t *tenant) graph(size uint64, at driver.DevicePtr, frees, want bool) (driver.Graph, driver.GraphExec) {
	t.Helper()
	params := make([]byte, 120)
	le.PutUint64(params[104:], size*mib)
	le.PutUint64(params[112:], uint64(at))
	g := driver.Graph(t.k.fresh())
	_, r := t.c.GraphAddMemAllocNode(g, nil, 0, params)
	t.fits("a graph", r, want)
	if frees {
		t.c.GraphAddMemFreeNode(g, nil, 0, at)
	}
	e, _ := t.c.GraphInstantiateWithFlags(g, 0)
	return g, e
}

// TestPoolsCount: what pools keep is the session's, up to its quota and no further, and given up before anything fails.
func TestPoolsCount(t *testing.T) {
	t.Parallel()
	const quota, chunk = 256, poolChunk / mib
	for name, run := range map[string]func(t *tenant){
		"without pools nothing is asked": func(t *tenant) {
			t.plain(quota+1, false)
			t.plain(quota, true)
			t.left(0)
			if t.k.asked+t.k.trims > 0 {
				t.Errorf("%d times asked, %d trimmed", t.k.asked, t.k.trims)
			}
		},
		"far from the quota nothing is asked": func(t *tenant) {
			t.memory.quota[0] = 1 << 40
			for range 1000 {
				t.free(t.pooled(4*mib, 0, true))
				t.plain(1, true)
			}
			if t.k.asked+t.k.trims > 0 {
				t.Errorf("%d times asked, %d trimmed", t.k.asked, t.k.trims)
			}
		},
		"near it, as seldom as the bound lets": func(t *tenant) {
			const n = 4096
			for range n {
				t.free(t.pooled(mib, 0, true))
				t.k.StreamSynchronize(0)
			}
			if most := 2*n/(quota-2*chunk) + 1; t.k.asked > most || t.k.trims > 0 {
				t.Errorf("%d times asked, %d trimmed; want at most %d and none", t.k.asked, t.k.trims, most)
			}
		},
		"what is kept is given up": func(t *tenant) {
			t.free(t.pooled(128*mib, 0, true))
			t.k.StreamSynchronize(0)
			t.left(128)
			t.plain(quota, true)
			t.left(0)
		},
		"what was not waited for is": func(t *tenant) {
			t.free(t.pooled(128*mib, 0, true))
			t.plain(quota, true)
		},
		"what is still in use is not": func(t *tenant) {
			t.free(t.pooled(128*mib, 0, true))
			t.k.busy = true
			t.plain(quota, false)
			t.plain(128, true)
			t.k.busy = false
			t.plain(128, true)
		},
		"what is of no pool counts until its stream has freed it": func(t *tenant) {
			p := t.plain(200, true)
			t.k.busy = true
			t.free(p)
			t.left(quota - 200)
			t.plain(100, false)
			t.pooled(100*mib, 0, false)
			t.plain(quota-200, true)
			t.k.busy = false
			t.left(200)
			t.plain(200, true)
			if t.k.events != 0 {
				t.Errorf("%d events are left", t.k.events)
			}
		},
		"what is of no pool is forgotten in time": func(t *tenant) {
			for range 1000 {
				t.free(t.plain(1, true))
			}
			if t.k.events > 64 {
				t.Errorf("%d events are left", t.k.events)
			}
			t.k.busy = true
			t.memory.quota[0] = 1 << 40
			for range 1000 {
				t.free(t.plain(1, true))
			}
			t.k.busy = false
			t.plain(1<<20+1, false)
			if t.k.events != 0 || t.memory.used[0].sum() != 0 {
				t.Errorf("%d events are left, %d bytes in use", t.k.events, t.memory.used[0].sum())
			}
		},
		"or, where that is not to be known, until its context ends": func(t *tenant) {
			t.k.unrecorded = true
			t.free(t.plain(200, true))
			t.plain(100, false)
			t.memory.forgetContext(t.current)
			t.plain(quota, true)
			if t.k.events != 0 {
				t.Errorf("%d events are left", t.k.events)
			}
		},
		"a pool in fragments": func(t *tenant) {
			var large, small []driver.DevicePtr
			for range quota / chunk {
				large = append(large, t.pooled(poolChunk-512, 0, true))
				small = append(small, t.pooled(512, 0, true))
			}
			t.free(large...)
			t.plain(1, false)
			t.left(0)
			t.pooled(16*mib, 0, true) // in what is kept
			t.free(small...)
			t.plain(quota-chunk, true)
		},
		"a pool that grows": func(t *tenant) {
			t.plain(quota-chunk-1, true)
			p := t.pooled(20*mib, 0, true)
			t.pooled(13*mib, 0, false)
			t.pooled(12*mib, 0, true) // once the one refused has gone
			t.free(p)
			t.pooled(20*mib, 0, true) // in the place of what was freed
			if got := t.k.reserved(fakeDefaultPool); got != poolChunk {
				t.Fatalf("%d bytes are reserved", got)
			}
		},
		"what was refused is not to be had while it is in use": func(t *tenant) {
			t.plain(quota-chunk-1, true)
			t.pooled(20*mib, 0, true)
			t.k.busy = true
			t.pooled(13*mib, 0, false)
			t.pooled(mib, 0, false)
			t.k.busy = false
			t.pooled(12*mib, 0, true)
		},
		"several pools": func(t *tenant) {
			props := make([]byte, 88)
			le.PutUint32(props[8:], 1)
			one, _ := t.c.MemPoolCreate(props)
			other, _ := t.c.MemPoolCreate(props)
			t.free(t.pooled(100*mib, one, true), t.pooled(100*mib, other, true))
			t.left(0)
			t.c.DeviceSetMemPool(0, other)
			t.pooled(100*mib, 0, true)
			if got := t.k.reserved(fakeDefaultPool); got != 0 {
				t.Errorf("the default pool has %d bytes", got)
			}
			t.plain(128, true)
			t.plain(1, false)
		},
		"a pool that is destroyed counts as long as it has memory": func(t *tenant) {
			props := make([]byte, 88)
			le.PutUint32(props[8:], 1)
			pool, _ := t.c.MemPoolCreate(props)
			t.c.DeviceSetMemPool(0, pool)
			p := t.pooled(128*mib, 0, true)
			if r := t.c.MemPoolDestroy(pool); r != driver.Success || t.k.ended != 0 || t.k.current != fakeDefaultPool {
				t.Fatalf("%v, %d pools ended, pool %d is current", r, t.k.ended, t.k.current)
			}
			t.plain(129, false)
			t.free(p)
			t.plain(quota, true)
			if t.k.ended != 1 || len(t.memory.pools[0].list) != 0 {
				t.Errorf("%d pools ended", t.k.ended)
			}
			empty, _ := t.c.MemPoolCreate(props)
			if r := t.c.MemPoolDestroy(empty); r != driver.Success || t.k.ended != 2 || len(t.memory.poolsOf) != 0 {
				t.Errorf("%v, %d pools ended, %d are known", r, t.k.ended, len(t.memory.poolsOf))
			}
		},
		"what graphs keep": func(t *tenant) {
			g, e := t.graph(100, 0x1000, true, true)
			t.c.GraphLaunch(e, 0)
			t.k.graphs, t.k.graphsIdle = 100*mib, 100*mib
			t.left(156)
			t.c.GraphDestroy(g)
			t.c.GraphExecDestroy(e)
			t.left(156)
			t.plain(quota, true)
		},
		"what graphs leave to the program": func(t *tenant) {
			g, e := t.graph(100, 0x1000, false, true)
			t.c.GraphLaunch(e, 0)
			t.k.graphs = 100 * mib
			t.c.GraphDestroy(g)
			t.c.GraphExecDestroy(e)
			t.graph(157, 0x2000, true, false) // which a launch would add
			other, f := t.graph(100, 0x3000, true, true)
			t.c.GraphAddMemFreeNode(other, nil, 0, 0x1000)
			t.plain(57, false)
			t.c.GraphLaunch(f, 0)
			t.k.graphsIdle = 100 * mib
			t.plain(156, true)
		},
		"a driver that does not tell": func(t *tenant) {
			t.k.lacking = true
			p := t.pooled(128*mib, 0, true)
			t.plain(129, false)
			t.left(128)
			t.free(p)
			t.plain(quota, true)
		},
		"beside a capture": func(t *tenant) {
			t.free(t.pooled(128*mib, 0, true))
			t.k.StreamSynchronize(0)
			t.captures[7] = true
			t.plain(quota, true)
			if t.k.trims == 0 || t.k.strictTrims > 0 || t.k.relaxed {
				t.Errorf("%d trims, %d that the capture forbids; the thread is relaxed: %v", t.k.trims, t.k.strictTrims, t.k.relaxed)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(newTenant(t, quota))
		})
	}
}
