// SPDX-License-Identifier: Apache-2.0

package worker

import "github.com/orion-vgpu/orion/proto/cuda"

// Ids below firstMinted are chosen by the client, the others by the worker, for handles that the client has
// not created itself: the nodes of a captured graph, for example.
const (
	handlePage  = 1 << 12
	firstMinted = 1 << 22
	lastHandle  = 2 * firstMinted
)

// handle is one entry: its kind and the backend's value.
type handle struct {
	value uint64
	kind  uint8
}

// handleTable maps ids on the wire to handles of the backend and back. It belongs to the ring goroutine.
type handleTable struct {
	pages   [lastHandle / handlePage]*[handlePage]handle
	ids     map[handle]uint32
	nextNew uint32
	free    []uint32 // minted ids that are no longer in use
}

func newHandleTable() *handleTable {
	return &handleTable{ids: map[handle]uint32{}, nextNew: firstMinted}
}

// lookup returns the handle of an id if it has that kind. Id 0 is no handle and belongs to every kind; a
// stream of id 1 is the legacy default stream by its explicit name.
func (t *handleTable) lookup(id uint64, kind uint8) (uint64, bool) {
	if id == 0 || id == 1 && kind == cuda.KindStream {
		return id, true
	}
	if id >= lastHandle {
		return 0, false
	}
	page := t.pages[id/handlePage]
	if page == nil || page[id%handlePage].kind != kind {
		return 0, false
	}
	return page[id%handlePage].value, true
}

// bind makes id name a handle. A client that binds an id twice loses the first.
func (t *handleTable) bind(id uint32, kind uint8, value uint64) {
	page := t.pages[id/handlePage]
	if page == nil {
		page = new([handlePage]handle)
		t.pages[id/handlePage] = page
	}
	if old := page[id%handlePage]; old.kind != 0 && t.ids[old] == id {
		delete(t.ids, old)
	}
	h := handle{value: value, kind: kind}
	page[id%handlePage] = h
	t.ids[h] = id
}

// unbind forgets an id.
func (t *handleTable) unbind(id uint64) {
	if id == 0 || id >= lastHandle || t.pages[id/handlePage] == nil {
		return
	}
	e := &t.pages[id/handlePage][id%handlePage]
	if t.ids[*e] == uint32(id) {
		delete(t.ids, *e)
	}
	if e.kind != 0 && id >= firstMinted {
		t.free = append(t.free, uint32(id))
	}
	*e = handle{}
}

// forgetAll unbinds all ids of handles of the backend, of which the client may have several for each.
func (t *handleTable) forgetAll(list map[handle]struct{}) {
	if len(list) == 0 {
		return
	}
	var kinds [cuda.KindCount]bool // most ids are of others, and need no search
	for h := range list {
		kinds[h.kind] = true
	}
	for n, page := range t.pages {
		if page == nil {
			continue
		}
		for i, h := range page {
			if !kinds[h.kind] {
				continue
			}
			if _, ok := list[h]; ok {
				t.unbind(uint64(n*handlePage + i))
			}
		}
	}
}

// forget unbinds the id of a handle of the backend, if it has one.
func (t *handleTable) forget(h handle) {
	if id, ok := t.ids[h]; ok {
		t.unbind(uint64(id))
	}
}

// idOf returns the id of a handle of the backend, and mints one if it has none. It is 0 for no handle, and
// when the ids are used up.
func (t *handleTable) idOf(kind uint8, value uint64) uint64 {
	if value == 0 {
		return 0
	}
	if id, ok := t.ids[handle{value: value, kind: kind}]; ok {
		return uint64(id)
	}
	var id uint32
	switch n := len(t.free); {
	case n > 0:
		id, t.free = t.free[n-1], t.free[:n-1]
	case t.nextNew < lastHandle:
		id = t.nextNew
		t.nextNew++
	default:
		return 0
	}
	t.bind(id, kind, value)
	return uint64(id)
}
