// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"maps"
	"math"

	"github.com/orion-vgpu/orion/host/driver"
)

// userObject is ended when nobody holds a reference to it. Driver.graphs guards it.
type userObject struct {
	id         uint64
	references uint64 // the caller's and those of graphs
	end        driver.HostCall
}

// holds are the references of a graph, or of an instance of one. Driver.graphs guards them.
type holds map[*userObject]uint64

// clone are the same references, held once more.
func (h holds) clone() holds {
	for u, n := range h {
		u.references += n
	}
	return maps.Clone(h)
}

func (h holds) release(d *Driver) {
	for u, n := range h {
		d.dereference(u, n)
	}
	clear(h)
}

func (d *Driver) dereference(u *userObject, n uint64) {
	if u.references -= n; u.references == 0 {
		d.handles.remove(u.id)
		u.end.Run()
	}
}

func (t *thread) UserObjectCreate(end driver.HostCall, references uint32) (driver.UserObject, driver.Result) {
	if end == nil || references == 0 || references > math.MaxInt32 {
		return 0, driver.ErrorInvalidValue
	}
	u := &userObject{references: uint64(references), end: end}
	u.id = t.d.handles.add(u)
	return driver.UserObject(u.id), driver.Success
}

func (t *thread) UserObjectRetain(h driver.UserObject, count uint32) driver.Result {
	return t.userObject(h, count, func(u *userObject) driver.Result {
		u.references += uint64(count)
		return driver.Success
	})
}

func (t *thread) UserObjectRelease(h driver.UserObject, count uint32) driver.Result {
	return t.userObject(h, count, func(u *userObject) driver.Result {
		if uint64(count) > u.references {
			return driver.ErrorInvalidValue
		}
		t.d.dereference(u, uint64(count))
		return driver.Success
	})
}

func (t *thread) GraphRetainUserObject(gh driver.Graph, h driver.UserObject, count, flags uint32) driver.Result {
	const move = 1
	g, r := find[*graph](t.d, gh)
	if r != driver.Success {
		return r
	}
	return t.userObject(h, count, func(u *userObject) driver.Result {
		switch flags {
		case 0:
			u.references += uint64(count)
		case move: // the caller's become the graph's
		default:
			return driver.ErrorInvalidValue
		}
		if g.holds == nil {
			g.holds = holds{}
		}
		g.holds[u] += uint64(count)
		return driver.Success
	})
}

func (t *thread) GraphReleaseUserObject(gh driver.Graph, h driver.UserObject, count uint32) driver.Result {
	g, r := find[*graph](t.d, gh)
	if r != driver.Success {
		return r
	}
	return t.userObject(h, count, func(u *userObject) driver.Result {
		switch has := g.holds[u]; {
		case has < uint64(count):
			return driver.ErrorInvalidValue
		case has == uint64(count):
			delete(g.holds, u)
		default:
			g.holds[u] -= uint64(count)
		}
		t.d.dereference(u, uint64(count))
		return driver.Success
	})
}

// userObject calls f, which holds Driver.graphs, with what a handle and a count of references mean.
func (t *thread) userObject(h driver.UserObject, count uint32, f func(*userObject) driver.Result) driver.Result {
	u, r := find[*userObject](t.d, h)
	if r != driver.Success {
		return r
	}
	if count == 0 || count > math.MaxInt32 {
		return driver.ErrorInvalidValue
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	return f(u)
}
