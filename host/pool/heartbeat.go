// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/release"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// Run sends heartbeats until ctx ends. A controller that does not answer, or turns the node down, is logged
// once and asked again; Run returns only when ctx ends, and then nil.
func (c *Client) Run(ctx context.Context) error {
	defer c.transport.CloseIdleConnections()
	for {
		c.beat(ctx)
		// Nodes that were cut off together should not all come back in the same instant.
		jitter := time.Duration(rand.Int64N(int64(c.cfg.Interval)/8 + 1))
		timer := time.NewTimer(c.cfg.Interval - jitter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// beat sends one heartbeat. The error is fit to be shown.
func (c *Client) beat(ctx context.Context) error {
	select {
	case c.beating <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.beating }()
	err := c.send(ctx)
	if ctx.Err() == nil {
		c.noteTrouble(err)
	}
	return err
}

func (c *Client) send(ctx context.Context) error {
	devices, err := c.cfg.GPUs.Devices()
	if err == nil {
		c.devices = devices
	} else if c.devices == nil {
		return fmt.Errorf("list the GPUs of this node: %w", err)
	}
	request := c.heartbeat(c.sessions())
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := c.rpc.Heartbeat(ctx, connect.NewRequest(request)); err != nil {
		return c.explain(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range request.Released {
		delete(c.released, id)
	}
	return nil
}

func (c *Client) sessions() []Session {
	if c.cfg.Sessions == nil {
		return nil
	}
	return c.cfg.Sessions()
}

// heartbeat is called with beating held, which keeps the order of sequence.
func (c *Client) heartbeat(sessions []Session) *poolv1.HeartbeatRequest {
	c.sequence++
	r := &poolv1.HeartbeatRequest{
		Protocol: poolv1.Protocol,
		Sequence: c.sequence,
		Node: &poolv1.Node{
			Name: c.cfg.Node, BootId: c.bootID, Instance: c.instance, StartedAt: timestamppb.New(c.started),
			DataAddress: c.cfg.DataAddress, VgpuCount: uint32(c.cfg.VGPUCount), Release: release.Version,
		},
	}
	for _, d := range c.devices {
		r.Node.Gpus = append(r.Node.Gpus, deviceToProto(d, c.cfg.GPUs.Backend()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	listed := map[string]bool{}
	for _, s := range sessions {
		id := s.Lease.ID
		if listed[id] || c.released[id] {
			continue
		}
		listed[id] = true
		if h := c.held[id]; h != nil {
			h.inSession = true
			r.Leases = append(r.Leases, h.lease)
		} else {
			r.Leases = append(r.Leases, c.sessionToProto(s))
		}
	}
	for id, h := range c.held {
		switch {
		case listed[id]:
		case c.cfg.Sessions == nil || !h.inSession && time.Since(h.at) < startGrace:
			r.Leases = append(r.Leases, h.lease)
		default:
			c.cfg.Log.Warn("lease without a session given back", "lease", id, "program", h.lease.Program, "pid", h.lease.Pid)
			delete(c.held, id)
			c.released[id] = true
		}
	}
	for id := range c.released {
		r.Released = append(r.Released, id)
	}
	return r
}

// noteTrouble logs when the controller goes away and when it is back, not every time in between.
func (c *Client) noteTrouble(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, first := c.trouble, !c.beaten
	c.trouble, c.beaten = "", true
	if err != nil {
		c.trouble = err.Error()
	}
	switch {
	case err != nil && c.trouble != before:
		c.cfg.Log.Warn("no place in the pool; running programs go on, new ones are refused", "controller", c.cfg.Controller, "reason", err)
	case err == nil && (first || before != ""):
		c.cfg.Log.Info("registered with the controller", "controller", c.cfg.Controller, "node", c.cfg.Node, "gpus", len(c.devices))
	}
}

func deviceToProto(d gpu.Device, backend string) *poolv1.GPU {
	b := poolv1.Backend_BACKEND_CUDA
	if backend == gpu.BackendSoftGPU {
		b = poolv1.Backend_BACKEND_SOFTGPU
	}
	return &poolv1.GPU{Index: uint32(d.Index), Uuid: d.UUID, Name: printable(d.Name), MemoryBytes: d.MemoryBytes, UsedBytes: d.UsedBytes,
		ComputeCapability: d.ComputeCapability, DriverVersion: d.DriverVersion, PciBusId: d.PCIBusID, Backend: b}
}

func (c *Client) sessionToProto(s Session) *poolv1.Lease {
	l := &poolv1.Lease{Id: s.Lease.ID, Node: c.cfg.Node, Program: printable(s.Program), Pid: int64(s.PID), Host: printable(s.Host),
		GrantedAt: timestamppb.New(s.Since)}
	for _, v := range s.Lease.VGPUs {
		node := v.Node
		if node == "" {
			node = c.cfg.Node
		}
		l.Vgpus = append(l.Vgpus, &poolv1.VGPU{Node: node, GpuUuid: v.UUID, GpuIndex: uint32(v.GPU), MemoryBytes: v.MemoryBytes, RatioPercent: uint32(v.RatioPercent)})
	}
	return l
}
