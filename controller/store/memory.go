// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync"
)

// Memory is a Store that ends with its process; the nodes' heartbeats fill the next one.
type Memory struct {
	mu     sync.Mutex
	leases map[string]Lease
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{leases: map[string]Lease{}} }

// View implements Store.
func (m *Memory) View(ctx context.Context, fn func(*Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fn(NewTx(m.leases))
}

// Update implements Store.
func (m *Memory) Update(ctx context.Context, fn func(*Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	tx := NewTx(m.leases)
	if err := fn(tx); err != nil {
		return err
	}
	put, deleted := tx.Changes()
	for id := range deleted {
		delete(m.leases, id)
	}
	for id, l := range put {
		m.leases[id] = l
	}
	return nil
}
