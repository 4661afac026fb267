// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/orion-vgpu/orion/controller/scheduler"
	"github.com/orion-vgpu/orion/controller/store"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// Grant leases vGPUs to a program of a registered node. The request must have passed CheckGrant. An error
// is a *scheduler.Refusal, an *Error, or the store's.
func (p *Pool) Grant(ctx context.Context, r *poolv1.GrantRequest) (store.Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	home := p.nodes[r.Node]
	if home == nil || now.Sub(home.seen) > p.NodeTimeout {
		return store.Lease{}, errorf(UnknownNode, "node %s is not registered with this controller", r.Node)
	}
	if _, dead := p.tombstones[r.LeaseId]; dead {
		return store.Lease{}, errorf(Ended, "lease %s was released before it was granted", r.LeaseId)
	}
	var lease store.Lease
	repeated := false
	err := p.Store.Update(ctx, func(tx *store.Tx) error {
		known, ok := tx.Get(r.LeaseId)
		if repeated = ok; ok {
			if known.Node != r.Node {
				return errorf(Invalid, "lease_id %s is another node's", r.LeaseId)
			}
			lease = known
			return nil
		}
		placements, err := p.place(tx, r, now)
		if err != nil {
			return err
		}
		lease = newLease(r, placements, now)
		tx.Put(lease)
		return nil
	})
	if err != nil {
		p.Log.Info("grant refused", "node", r.Node, "program", r.Program, "pid", r.Pid, "reason", err)
		return store.Lease{}, err
	}
	if !repeated {
		p.Log.Info("lease granted", "lease", lease.ID, "node", lease.Node, "program", lease.Program, "pid", lease.PID, "vgpus", len(lease.VGPUs))
		p.notify()
	}
	return lease, nil
}

// place is called with mu held.
func (p *Pool) place(tx *store.Tx, r *poolv1.GrantRequest, now time.Time) ([]scheduler.Placement, error) {
	d := scheduler.Demand{VGPUs: int(r.Vgpus), MemoryBytes: r.MemoryMib * scheduler.MiB, RatioPercent: int(r.RatioPercent),
		CrossNode: r.CrossNode, Home: r.Node, LocalOnly: r.LocalOnly}
	// A node vouches for all leases of its own programs, but those of others on its GPUs become known only
	// with the others' heartbeats.
	settling := !r.LocalOnly && now.Sub(p.started) < p.Settle
	if settling {
		d.LocalOnly = true
	}
	placements, err := scheduler.Place(p.gpus(tx, now), d)
	var refused *scheduler.Refusal
	if settling && errors.As(err, &refused) {
		return nil, errorf(Starting, "the controller has just started and is still learning what runs in the pool; try again in %d s",
			1+int((p.Settle-now.Sub(p.started))/time.Second))
	}
	return placements, err
}

// gpus lists the GPUs that can be granted, by node and index, with what is left of them.
func (p *Pool) gpus(tx *store.Tx, now time.Time) []scheduler.GPU {
	used := sum(tx)
	var all []scheduler.GPU
	for _, n := range p.nodes {
		if now.Sub(n.seen) > p.NodeTimeout {
			continue
		}
		for _, g := range n.Gpus {
			u := used[gpuID{n.Name, g.Uuid}]
			all = append(all, scheduler.GPU{
				Node: n.Name, Index: int(g.Index), UUID: g.Uuid, MemoryBytes: g.MemoryBytes, VGPUCount: int(n.VgpuCount),
				FreeBytes: g.MemoryBytes - min(u.bytes, g.MemoryBytes),
				FreeRatio: 100 - int(min(u.ratio, 100)),
				FreeVGPUs: int(n.VgpuCount) - int(min(u.vgpus, n.VgpuCount)),
			})
		}
	}
	slices.SortFunc(all, func(a, b scheduler.GPU) int {
		if a.Node != b.Node {
			return strings.Compare(a.Node, b.Node)
		}
		return a.Index - b.Index
	})
	return all
}

type gpuID struct{ node, uuid string }

// granted is what leases take of a GPU together.
type granted struct {
	vgpus, ratio uint32
	bytes        uint64
}

// sum adds up what is granted of each GPU.
func sum(tx *store.Tx) map[gpuID]granted {
	all := map[gpuID]granted{}
	tx.Leases(func(l store.Lease) {
		for _, v := range l.VGPUs {
			id := gpuID{v.Node, v.UUID}
			g := all[id]
			g.vgpus++
			g.bytes += v.MemoryBytes
			g.ratio += v.RatioPercent
			all[id] = g
		}
	})
	return all
}

func newLease(r *poolv1.GrantRequest, placements []scheduler.Placement, now time.Time) store.Lease {
	l := store.Lease{ID: r.LeaseId, Node: r.Node, CrossNode: r.CrossNode, Program: r.Program, PID: r.Pid, Host: r.Host, GrantedAt: now}
	if l.ID == "" {
		l.ID = strings.ToLower(rand.Text())
	}
	for _, pl := range placements {
		l.VGPUs = append(l.VGPUs, store.VGPU{Node: pl.GPU.Node, UUID: pl.GPU.UUID, Index: uint32(pl.GPU.Index),
			MemoryBytes: pl.MemoryBytes, RatioPercent: uint32(pl.RatioPercent)})
	}
	return l
}
