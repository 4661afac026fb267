// SPDX-License-Identifier: Apache-2.0

// Package api serves a pool over Connect: gRPC, gRPC-Web, and JSON over plain HTTP, on one port.
package api

import (
	"context"
	"errors"
	"time"

	"connectrpc.com/connect"

	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/controller/scheduler"
	"github.com/orion-vgpu/orion/host/release"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// Bounds on a watch: changes that follow each other faster are told together, and a stream ends after a
// while, so that forgotten watchers do not pile up.
const (
	watchGap  = 500 * time.Millisecond
	watchLife = 10 * time.Minute
)

type service struct {
	pool     *pool.Pool
	stopping context.Context // ends the watches
	watchers chan struct{}   // holds one token for each watcher
}

var _ poolv1connect.PoolServiceHandler = (*service)(nil)

func (s *service) Heartbeat(ctx context.Context, r *connect.Request[poolv1.HeartbeatRequest]) (*connect.Response[poolv1.HeartbeatResponse], error) {
	if err := pool.CheckHeartbeat(r.Msg); err != nil {
		return nil, toConnect(err)
	}
	if err := s.pool.Heartbeat(ctx, r.Msg); err != nil {
		return nil, toConnect(err)
	}
	return connect.NewResponse(&poolv1.HeartbeatResponse{Release: release.Version}), nil
}

func (s *service) Grant(ctx context.Context, r *connect.Request[poolv1.GrantRequest]) (*connect.Response[poolv1.GrantResponse], error) {
	if err := pool.CheckGrant(r.Msg); err != nil {
		return nil, toConnect(err)
	}
	lease, err := s.pool.Grant(ctx, r.Msg)
	if err != nil {
		return nil, toConnect(err)
	}
	return connect.NewResponse(&poolv1.GrantResponse{Lease: pool.ToProto(lease)}), nil
}

func (s *service) Release(ctx context.Context, r *connect.Request[poolv1.ReleaseRequest]) (*connect.Response[poolv1.ReleaseResponse], error) {
	if err := pool.CheckLeaseID(r.Msg.LeaseId); err != nil {
		return nil, toConnect(err)
	}
	if err := s.pool.Release(ctx, r.Msg.LeaseId); err != nil {
		return nil, toConnect(err)
	}
	return connect.NewResponse(&poolv1.ReleaseResponse{}), nil
}

func (s *service) List(ctx context.Context, _ *connect.Request[poolv1.ListRequest]) (*connect.Response[poolv1.ListResponse], error) {
	state, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&poolv1.ListResponse{Pool: state}), nil
}

func (s *service) Watch(ctx context.Context, _ *connect.Request[poolv1.WatchRequest], stream *connect.ServerStream[poolv1.WatchResponse]) error {
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		return connect.NewError(connect.CodeUnavailable, errors.New("too many watch the pool already; use List"))
	}
	ctx, cancel := context.WithTimeout(ctx, watchLife)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	for {
		changed := s.pool.Changed()
		state, err := s.state(ctx)
		if err != nil {
			return err
		}
		if err := stream.Send(&poolv1.WatchResponse{Pool: state}); err != nil {
			return err
		}
		if !sleep(ctx, watchGap) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (s *service) state(ctx context.Context) (*poolv1.Pool, error) {
	state, err := s.pool.List(ctx)
	if err != nil {
		return nil, toConnect(err)
	}
	state.Release = release.Version
	return state, nil
}

// toConnect gives an error of the pool its code, and a refusal its detail.
func toConnect(err error) error {
	var refused *scheduler.Refusal
	if errors.As(err, &refused) {
		return refusal(refused)
	}
	var e *pool.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err // Connect knows their codes
		}
		return connect.NewError(connect.CodeInternal, err)
	}
	code := map[pool.Kind]connect.Code{
		pool.Invalid: connect.CodeInvalidArgument, pool.UnknownNode: connect.CodeNotFound, pool.NameTaken: connect.CodeAlreadyExists,
		pool.Ended: connect.CodeAborted, pool.Starting: connect.CodeUnavailable, pool.Full: connect.CodeResourceExhausted,
	}[e.Kind]
	return connect.NewError(code, e)
}

func refusal(r *scheduler.Refusal) error {
	code := connect.CodeResourceExhausted
	if r.Never {
		code = connect.CodeFailedPrecondition
	}
	err := connect.NewError(code, r)
	short := map[scheduler.Shortage]poolv1.Refusal_Shortage{
		scheduler.GPUs: poolv1.Refusal_SHORTAGE_GPUS, scheduler.Memory: poolv1.Refusal_SHORTAGE_MEMORY,
		scheduler.Ratio: poolv1.Refusal_SHORTAGE_RATIO, scheduler.VGPUs: poolv1.Refusal_SHORTAGE_VGPUS,
	}[r.Short]
	if detail, detailErr := connect.NewErrorDetail(&poolv1.Refusal{Shortage: short}); detailErr == nil {
		err.AddDetail(detail)
	}
	return err
}
