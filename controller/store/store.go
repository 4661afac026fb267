// SPDX-License-Identifier: Apache-2.0

// Package store keeps what a controller must not lose: the leases. Nodes are not kept, since their
// heartbeats tell of them anew.
//
// A Store is transactional, and made so that a replicated store with optimistic transactions (etcd) can
// stand behind it as well as memory.
package store

import (
	"context"
	"maps"
	"time"
)

// Lease is what one client process holds. Values are immutable: to change one, put another.
type Lease struct {
	ID        string
	Node      string // whose oriond serves the client and vouches for the lease
	VGPUs     []VGPU
	CrossNode bool
	Program   string
	PID       int64 // of the client on its host; 0 where unknown
	Host      string
	GrantedAt time.Time
}

// VGPU is one granted share of a GPU.
type VGPU struct {
	Node         string
	UUID         string
	Index        uint32
	MemoryBytes  uint64
	RatioPercent uint32
}

// Store keeps leases. It is safe for concurrent use.
type Store interface {
	// View runs fn with the leases as they are at one moment; what fn changes is dropped.
	View(ctx context.Context, fn func(*Tx) error) error
	// Update runs fn likewise, and makes its changes, all of them or none, if it returns nil. Where
	// others may write to the same store, fn may run more than once, and must not have other effects.
	Update(ctx context.Context, fn func(*Tx) error) error
}

// Tx is one transaction. It must not be used after the function that got it has returned.
type Tx struct {
	base    map[string]Lease
	put     map[string]Lease
	deleted map[string]bool
}

// NewTx starts a transaction over leases that do not change while it lives. It is for implementations of
// Store.
func NewTx(base map[string]Lease) *Tx {
	return &Tx{base: base, put: map[string]Lease{}, deleted: map[string]bool{}}
}

// Get returns a lease.
func (t *Tx) Get(id string) (Lease, bool) {
	if l, ok := t.put[id]; ok {
		return l, true
	}
	if t.deleted[id] {
		return Lease{}, false
	}
	l, ok := t.base[id]
	return l, ok
}

// Leases calls fn with each lease, in no order. fn may put and delete.
func (t *Tx) Leases(fn func(Lease)) {
	put, deleted := maps.Clone(t.put), maps.Clone(t.deleted)
	for id, l := range t.base {
		if _, again := put[id]; !again && !deleted[id] {
			fn(l)
		}
	}
	for _, l := range put {
		fn(l)
	}
}

// Put adds a lease, or replaces the one with the same ID.
func (t *Tx) Put(l Lease) {
	delete(t.deleted, l.ID)
	t.put[l.ID] = l
}

// Delete removes a lease, if it is there.
func (t *Tx) Delete(id string) {
	delete(t.put, id)
	t.deleted[id] = true
}

// Changes returns what a commit has to write. It is for implementations of Store.
func (t *Tx) Changes() (put map[string]Lease, deleted map[string]bool) { return t.put, t.deleted }
