// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"time"

	"github.com/orion-vgpu/orion/controller/store"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// Heartbeat registers or renews a node and takes over what it says of its leases. The request must have
// passed CheckHeartbeat, and is the pool's from then on.
func (p *Pool) Heartbeat(ctx context.Context, r *poolv1.HeartbeatRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	old := p.nodes[r.Node.Name]
	if old != nil && old.Instance == r.Node.Instance && r.Sequence <= old.sequence {
		return nil // overtaken by a later one
	}
	if err := p.checkTakeOver(old, r.Node, now); err != nil {
		return err
	}
	if old == nil && len(p.nodes) >= MaxNodes {
		return errorf(Full, "register node %s: the pool has %d nodes already", r.Node.Name, MaxNodes)
	}
	n := &node{Node: r.Node, sequence: r.Sequence, seen: now, listed: map[string]time.Time{}}
	booted := false
	if old != nil {
		n.listed = old.listed
		booted = old.BootId != r.Node.BootId
	}
	for _, id := range r.Released {
		p.bury(id)
	}
	if err := p.settleLeases(ctx, n, r.Leases, now, booted); err != nil {
		return err
	}
	p.logNode(old, n)
	p.nodes[n.Name] = n
	p.notify()
	return nil
}

// checkTakeOver keeps two oriond with one name apart: the one that started last has it.
func (p *Pool) checkTakeOver(old *node, n *poolv1.Node, now time.Time) error {
	if old == nil || old.Instance == n.Instance || now.Sub(old.seen) > p.NodeTimeout {
		return nil
	}
	if old.StartedAt.AsTime().After(n.StartedAt.AsTime()) {
		return errorf(NameTaken, "another oriond, at %s, uses the node name %s; give each its own by [server] node_name", old.DataAddress, n.Name)
	}
	return nil
}

// settleLeases makes the leases that n vouches for those that it lists.
func (p *Pool) settleLeases(ctx context.Context, n *node, listed []*poolv1.Lease, now time.Time, booted bool) error {
	var adopted []store.Lease
	freed := map[string]string{}
	ended := map[string]store.Lease{}
	err := p.Store.Update(ctx, func(tx *store.Tx) error {
		adopted = nil
		clear(freed)
		clear(ended)
		present := map[string]bool{}
		for _, l := range listed {
			if _, dead := p.tombstones[l.Id]; dead {
				continue
			}
			known, ok := tx.Get(l.Id)
			if ok && known.Node != n.Name {
				continue // it is not this node's to speak for
			}
			present[l.Id] = true
			if !ok {
				lease := fromProto(l, n.Name, now)
				tx.Put(lease)
				adopted = append(adopted, lease)
			}
		}
		tx.Leases(func(l store.Lease) {
			if l.Node != n.Name || present[l.ID] {
				return
			}
			last := l.GrantedAt
			if t := n.listed[l.ID]; t.After(last) {
				last = t
			}
			reason := ""
			if _, dead := p.tombstones[l.ID]; dead {
				reason = "released"
			} else if booted {
				reason = "its node has booted anew"
			} else if now.Sub(last) > p.Grace {
				reason = "its node does not know it"
			}
			if reason != "" {
				freed[l.ID], ended[l.ID] = reason, l
				tx.Delete(l.ID)
			}
		})
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range listed {
		n.listed[l.Id] = now
	}
	for id, t := range n.listed {
		if now.Sub(t) > p.Grace {
			delete(n.listed, id)
		}
	}
	for _, l := range adopted {
		p.Log.Info("lease learned from its node", "lease", l.ID, "node", l.Node, "program", l.Program, "pid", l.PID, "vgpus", len(l.VGPUs))
	}
	for id, reason := range freed {
		p.logFreed(ended[id], reason)
	}
	return nil
}

func (p *Pool) logNode(old, n *node) {
	switch {
	case old == nil:
		p.Log.Info("node registered", "node", n.Name, "gpus", len(n.Gpus), "vgpu_count", n.VgpuCount, "address", n.DataAddress, "release", n.Release)
	case old.Instance != n.Instance:
		p.Log.Info("node registered anew", "node", n.Name, "gpus", len(n.Gpus), "release", n.Release)
	case old.lost:
		p.Log.Info("node is back", "node", n.Name, "silent", time.Since(old.seen).Round(time.Second))
	}
}
