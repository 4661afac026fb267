// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"time"

	"github.com/orion-vgpu/orion/controller/store"
)

// Run watches over silent nodes until ctx ends.
func (p *Pool) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := p.expire(ctx); err != nil && ctx.Err() == nil {
				p.Log.Error("expire leases", "error", err)
			}
		}
	}
}

// expire marks silent nodes lost, and frees the leases of those that have been silent for too long.
func (p *Pool) expire(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, changed := time.Now(), false
	for _, n := range p.nodes {
		if !n.lost && now.Sub(n.seen) > p.NodeTimeout {
			n.lost, changed = true, true
			p.Log.Warn("node lost: nothing is granted there until it speaks again", "node", n.Name, "silent", now.Sub(n.seen).Round(time.Second),
				"leases end in", (p.LeaseTimeout - now.Sub(n.seen)).Round(time.Second))
		}
	}
	for id, t := range p.tombstones {
		if now.Sub(t) > tombstoneLife {
			delete(p.tombstones, id)
		}
	}
	var freed []store.Lease
	holders := map[string]bool{}
	err := p.Store.Update(ctx, func(tx *store.Tx) error {
		freed = nil
		clear(holders)
		tx.Leases(func(l store.Lease) {
			seen := p.started
			if n := p.nodes[l.Node]; n != nil {
				seen = n.seen
			}
			if now.Sub(seen) > p.LeaseTimeout {
				tx.Delete(l.ID)
				freed = append(freed, l)
				return
			}
			holders[l.Node] = true
			for _, v := range l.VGPUs {
				holders[v.Node] = true
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range freed {
		p.logFreed(l, "its node is lost")
	}
	for name, n := range p.nodes {
		if now.Sub(n.seen) > forgetNodeTime && !holders[name] {
			delete(p.nodes, name)
			changed = true
		}
	}
	if changed || len(freed) > 0 {
		p.notify()
	}
	return nil
}
