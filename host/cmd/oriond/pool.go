// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/orion-vgpu/orion/host/pool"
	"github.com/orion-vgpu/orion/host/session"
	"github.com/orion-vgpu/orion/host/session/record"
)

// poolClient is the pool as package session wants it.
type poolClient struct {
	client *pool.Client
}

var _ session.Pool = poolClient{}

func (p poolClient) Grant(ctx context.Context, r session.Request) (session.Lease, error) {
	lease, err := p.client.Grant(ctx, pool.Request(r))
	if errors.Is(err, pool.ErrOutOfMemory) {
		return session.Lease{}, outOfMemory{err}
	}
	if err != nil {
		return session.Lease{}, err
	}
	out := session.Lease{ID: lease.ID}
	for _, v := range lease.VGPUs {
		out.VGPUs = append(out.VGPUs, record.VGPU{GPU: v.GPU, UUID: v.UUID, MemoryBytes: v.MemoryBytes, RatioPercent: v.RatioPercent})
	}
	return out, nil
}

func (p poolClient) Release(ctx context.Context, lease string) error {
	if err := p.client.Release(ctx, lease); err != nil {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}

// outOfMemory keeps the controller's words, which already say all that a user needs.
type outOfMemory struct{ error }

func (outOfMemory) Is(target error) bool { return target == session.ErrOutOfMemory }

// poolSessions says what runs here, for heartbeats.
func poolSessions(running []record.Session) []pool.Session {
	var out []pool.Session
	for _, r := range running {
		s := pool.Session{Lease: pool.Lease{ID: r.Lease}, Program: r.Program, PID: r.Client.PID, Host: r.Host, Since: r.Since}
		for _, v := range r.VGPUs {
			s.Lease.VGPUs = append(s.Lease.VGPUs, pool.VGPU{GPU: v.GPU, UUID: v.UUID, MemoryBytes: v.MemoryBytes, RatioPercent: v.RatioPercent})
		}
		out = append(out, s)
	}
	return out
}
