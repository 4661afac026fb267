// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/controller/store"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// Bounds on what the pool remembers.
const (
	MaxNodes       = 4096
	maxTombstones  = 1 << 16
	tombstoneLife  = 10 * time.Minute
	forgetNodeTime = 24 * time.Hour // a lost node without leases is shown for so long
)

// Config is what a Pool needs. Zero times get defaults.
type Config struct {
	Store        store.Store
	Log          *slog.Logger
	NodeTimeout  time.Duration // 10 s
	LeaseTimeout time.Duration // 5 min
	Grace        time.Duration // 10 s: from grant to the first heartbeat that lists the lease
	Settle       time.Duration // 5 s: after a start, until every node has had the time to tell of its leases
}

// Pool is safe for concurrent use.
type Pool struct {
	Config
	started time.Time

	mu         sync.Mutex // held over whole operations, so that grants see each other
	nodes      map[string]*node
	tombstones map[string]time.Time // released leases, which a late grant or heartbeat must not revive
	changed    chan struct{}        // closed at the next change
}

// node is what the last heartbeat said, which is not changed afterwards, and what the pool adds.
type node struct {
	*poolv1.Node
	sequence uint64
	seen     time.Time            // the last heartbeat
	listed   map[string]time.Time // leases, by when a heartbeat last had them
	lost     bool
}

// New returns a pool that knows no nodes yet.
func New(c Config) *Pool {
	for _, d := range []struct {
		p     *time.Duration
		value time.Duration
	}{{&c.NodeTimeout, 10 * time.Second}, {&c.LeaseTimeout, 5 * time.Minute}, {&c.Grace, 10 * time.Second}, {&c.Settle, 5 * time.Second}} {
		if *d.p == 0 {
			*d.p = d.value
		}
	}
	return &Pool{Config: c, started: time.Now(), nodes: map[string]*node{}, tombstones: map[string]time.Time{}, changed: make(chan struct{})}
}

// Changed returns a channel that is closed at the next change, heartbeats included.
func (p *Pool) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// notify is called with mu held.
func (p *Pool) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Release gives a lease back. One that is not there is remembered as released, so that a grant of it that
// is still under way comes to nothing.
func (p *Pool) Release(ctx context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var freed *store.Lease
	err := p.Store.Update(ctx, func(tx *store.Tx) error {
		freed = nil
		if l, ok := tx.Get(id); ok {
			tx.Delete(id)
			freed = &l
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.bury(id)
	if freed != nil {
		p.logFreed(*freed, "released")
		p.notify()
	}
	return nil
}

func (p *Pool) bury(id string) {
	if len(p.tombstones) < maxTombstones {
		p.tombstones[id] = time.Now()
	}
}

func (p *Pool) logFreed(l store.Lease, reason string) {
	p.Log.Info("lease ended", "lease", l.ID, "node", l.Node, "program", l.Program, "pid", l.PID, "vgpus", len(l.VGPUs), "reason", reason)
}
