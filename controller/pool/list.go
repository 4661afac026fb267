// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/orion-vgpu/orion/controller/store"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// List returns the state of the pool at this moment. The caller must not change it.
func (p *Pool) List(ctx context.Context) (*poolv1.Pool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	state := &poolv1.Pool{At: timestamppb.New(now)}
	err := p.Store.View(ctx, func(tx *store.Tx) error {
		granted := sum(tx)
		for _, n := range p.nodes {
			state.Nodes = append(state.Nodes, p.status(n, granted, now))
		}
		tx.Leases(func(l store.Lease) { state.Leases = append(state.Leases, ToProto(l)) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(state.Nodes, func(a, b *poolv1.NodeStatus) int { return strings.Compare(a.Node.Name, b.Node.Name) })
	slices.SortFunc(state.Leases, func(a, b *poolv1.Lease) int {
		if c := a.GrantedAt.AsTime().Compare(b.GrantedAt.AsTime()); c != 0 {
			return c
		}
		return strings.Compare(a.Id, b.Id)
	})
	return state, nil
}

func (p *Pool) status(n *node, all map[gpuID]granted, now time.Time) *poolv1.NodeStatus {
	s := &poolv1.NodeStatus{Node: n.Node, State: poolv1.NodeStatus_STATE_READY, LastHeartbeat: timestamppb.New(n.seen)}
	if now.Sub(n.seen) > p.NodeTimeout {
		s.State = poolv1.NodeStatus_STATE_LOST
	}
	for _, g := range n.Gpus {
		u := all[gpuID{n.Name, g.Uuid}]
		s.Granted = append(s.Granted, &poolv1.Granted{Vgpus: u.vgpus, MemoryBytes: u.bytes, RatioPercent: u.ratio})
	}
	return s
}

// ToProto is a lease as the protocol has it.
func ToProto(l store.Lease) *poolv1.Lease {
	m := &poolv1.Lease{Id: l.ID, Node: l.Node, CrossNode: l.CrossNode, Program: l.Program, Pid: l.PID, Host: l.Host,
		GrantedAt: timestamppb.New(l.GrantedAt)}
	for _, v := range l.VGPUs {
		m.Vgpus = append(m.Vgpus, &poolv1.VGPU{Node: v.Node, GpuUuid: v.UUID, GpuIndex: v.Index, MemoryBytes: v.MemoryBytes, RatioPercent: v.RatioPercent})
	}
	return m
}

// fromProto is a lease that a node tells of. Its clock is trusted only as far as it is not ahead.
func fromProto(m *poolv1.Lease, node string, now time.Time) store.Lease {
	l := store.Lease{ID: m.Id, Node: node, CrossNode: m.CrossNode, Program: m.Program, PID: m.Pid, Host: m.Host, GrantedAt: now}
	if t := m.GrantedAt.AsTime(); m.GrantedAt.IsValid() && t.Before(now) {
		l.GrantedAt = t
	}
	for _, v := range m.Vgpus {
		l.VGPUs = append(l.VGPUs, store.VGPU{Node: v.Node, UUID: v.GpuUuid, Index: v.GpuIndex, MemoryBytes: v.MemoryBytes, RatioPercent: v.RatioPercent})
	}
	return l
}
