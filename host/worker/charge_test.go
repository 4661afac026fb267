// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

// granting is a driver that makes arrays and graphs.
type granting struct {
	*fakeDriver
	refuse bool
}

func (g *granting) result() driver.Result {
	if g.refuse {
		return driver.ErrorOutOfMemory
	}
	return driver.Success
}

func (g *granting) ArrayCreate([]byte) (driver.Array, driver.Result) {
	return driver.Array(g.fresh()), g.result()
}
func (g *granting) Array3DCreate([]byte) (driver.Array, driver.Result) {
	return driver.Array(g.fresh()), g.result()
}
func (g *granting) MipmappedArrayCreate([]byte, uint32) (driver.MipmappedArray, driver.Result) {
	return driver.MipmappedArray(g.fresh()), g.result()
}
func (g *granting) ArrayDestroy(driver.Array) driver.Result                   { return g.result() }
func (g *granting) MipmappedArrayDestroy(driver.MipmappedArray) driver.Result { return g.result() }
func (g *granting) GraphDestroy(driver.Graph) driver.Result                   { return g.result() }
func (g *granting) GraphExecDestroy(driver.GraphExec) driver.Result           { return g.result() }
func (g *granting) GraphInstantiateWithFlags(driver.Graph, uint64) (driver.GraphExec, driver.Result) {
	return driver.GraphExec(g.fresh()), g.result()
}
func (g *granting) GraphAddMemAllocNode(driver.Graph, []driver.GraphNode, uint64, []byte) (driver.GraphNode, driver.Result) {
	return driver.GraphNode(g.fresh()), g.result()
}

// descriptor is a CUDA_ARRAY3D_DESCRIPTOR.
func descriptor(width, height, depth uint64, format, channels, flags uint32) []byte {
	b := words(width, height, depth)
	return le.AppendUint32(le.AppendUint32(le.AppendUint32(le.AppendUint32(b, format), channels), flags), 0)
}

// TestCharging: arrays and graphs hold what they occupy until they end, and get no more than the quota.
func TestCharging(t *testing.T) {
	t.Parallel()
	const quota = 1 << 20
	m := newMemory([]VGPU{{MemoryBytes: quota}})
	fake := &granting{fakeDriver: &fakeDriver{memory: m}}
	c := newCharging(fake, m)
	used := func(want uint64) {
		t.Helper()
		if m.used[0].sum() != want {
			t.Fatalf("%d bytes are in use, want %d", m.used[0].sum(), want)
		}
	}
	const float, byte8, layered, sparse = 0x20, 0x01, 0x01, 0x40
	for _, a := range []struct {
		name string
		desc []byte
		want uint64
	}{
		{"a row", descriptor(100, 0, 0, byte8, 1, 0), 100},
		{"a plane", descriptor(100, 10, 0, float, 4, 0), 16000},
		{"layers", descriptor(10, 0, 6, float, 1, layered), 240},
		{"sparse", descriptor(4096, 4096, 0, float, 1, sparse), 0},
	} {
		h, r := c.Array3DCreate(a.desc)
		if r != driver.Success {
			t.Fatal(a.name, r)
		}
		used(a.want)
		fake.refuse = true
		c.ArrayDestroy(h)
		used(a.want) // it is still there
		fake.refuse = false
		c.ArrayDestroy(h)
		used(0)
	}
	mip, _ := c.MipmappedArrayCreate(descriptor(8, 8, 0, float, 1, 0), 4)
	used(4 * (64 + 16 + 4 + 1))
	c.MipmappedArrayDestroy(mip)
	for _, absurd := range [][]byte{descriptor(1<<19, 1<<19, 0, float, 4, 0), descriptor(1<<63, 1, 1, byte8, 1, 0), descriptor(1<<10, 1<<10, 1<<10, float, 4, 0)} {
		if _, r := c.Array3DCreate(absurd); r != driver.ErrorOutOfMemory {
			t.Errorf("an array beyond the quota: %v", r)
		}
	}
	fake.refuse = true
	c.ArrayCreate(append(words(16, 16), descriptor(0, 0, 0, float, 1, 0)[24:]...))
	fake.refuse = false
	used(0)

	params := make([]byte, 120)
	le.PutUint64(params[104:], quota/2)
	const graph = driver.Graph(7)
	if _, r := c.GraphAddMemAllocNode(graph, nil, 0, params); r != driver.Success {
		t.Fatal(r)
	}
	used(quota / 2)
	e, _ := c.GraphInstantiateWithFlags(graph, 0)
	c.GraphDestroy(graph)
	used(quota / 2) // the instance's
	c.GraphExecDestroy(e)
	used(0)
	le.PutUint64(params[104:], quota+1)
	if _, r := c.GraphAddMemAllocNode(graph, nil, 0, params); r != driver.ErrorOutOfMemory {
		t.Errorf("a graph beyond the quota: %v", r)
	}
}
