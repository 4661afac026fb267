// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
)

// Grant gets a lease for a program. The text of an error is fit to be shown to the program's user; it wraps
// ErrOutOfMemory where there are GPUs, but not the memory asked for. When the controller is away, Grant
// gives up after Config.Patience.
func (c *Client) Grant(ctx context.Context, r Request) (Lease, error) {
	request := &poolv1.GrantRequest{
		Protocol: poolv1.Protocol, Node: c.cfg.Node, LocalOnly: !c.cfg.Remote, LeaseId: strings.ToLower(rand.Text()),
		Vgpus: unsigned(r.VGPUs), MemoryMib: uint64(max(r.MemoryMiB, 0)), RatioPercent: unsigned(r.RatioPercent), CrossNode: r.CrossNode,
		Program: printable(r.Program), Pid: int64(r.PID), Host: printable(r.Host),
	}
	lease, err := c.tryGrant(ctx, request)
	if err != nil {
		if uncertain(err) {
			// The controller may have granted it; the next heartbeat takes it back.
			c.mu.Lock()
			c.released[request.LeaseId] = true
			c.mu.Unlock()
		}
		return Lease{}, c.explain(err)
	}
	c.mu.Lock()
	c.held[lease.Id] = &held{lease: lease, at: time.Now()}
	c.mu.Unlock()
	return fromProto(lease), nil
}

// retryGap is between two attempts to reach a controller.
const retryGap = 200 * time.Millisecond

func (c *Client) tryGrant(ctx context.Context, r *poolv1.GrantRequest) (*poolv1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Patience)
	defer cancel()
	var last error
	for {
		lease, err := c.callGrant(ctx, r)
		switch {
		case err == nil:
			return lease, nil
		case connect.CodeOf(err) == connect.CodeNotFound:
			// A controller that has just started does not know this node yet.
			if err := c.beat(ctx); err != nil && ctx.Err() == nil {
				return nil, err
			}
		case connect.IsWireError(err) && connect.CodeOf(err) != connect.CodeUnavailable:
			return nil, err
		}
		// The last attempt may have been cut short by the end of our patience; the one before says more.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		timer := time.NewTimer(retryGap)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, last
		case <-timer.C:
		}
	}
}

func (c *Client) callGrant(ctx context.Context, r *poolv1.GrantRequest) (*poolv1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := c.rpc.Grant(ctx, connect.NewRequest(r))
	if err != nil {
		return nil, err
	}
	if l := answer.Msg.Lease; l != nil && l.Id == r.LeaseId && len(l.Vgpus) == int(r.Vgpus) {
		return l, nil
	}
	return nil, errors.New("the controller's grant is not what was asked for")
}

// Release gives a lease back; it is safe to repeat. When the controller cannot be told now, a heartbeat
// tells it later, and Release is content.
func (c *Client) Release(ctx context.Context, lease string) error {
	if lease == "" {
		return errors.New("release a lease: it has no id")
	}
	c.mu.Lock()
	delete(c.held, lease)
	c.released[lease] = true
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := c.rpc.Release(ctx, connect.NewRequest(&poolv1.ReleaseRequest{Protocol: poolv1.Protocol, LeaseId: lease}))
	switch {
	case err == nil:
		c.mu.Lock()
		delete(c.released, lease)
		c.mu.Unlock()
	case connect.CodeOf(err) == connect.CodeInvalidArgument:
		c.mu.Lock()
		delete(c.released, lease) // it would spoil the heartbeats
		c.mu.Unlock()
		return c.explain(err)
	default:
		c.cfg.Log.Debug("release is left to the next heartbeat", "lease", lease, "reason", err)
	}
	return nil
}

// ErrOutOfMemory marks refusals for want of GPU memory.
var ErrOutOfMemory = errors.New("not enough GPU memory")

// refusal shows the controller's words and nothing else.
type refusal struct {
	words string
	is    error
}

func (r *refusal) Error() string { return r.words }
func (r *refusal) Unwrap() error { return r.is }

// explain turns the error of a call into words for a user.
func (c *Client) explain(err error) error {
	var e *connect.Error
	if errors.As(err, &e) && connect.IsWireError(err) {
		r := &refusal{words: e.Message(), is: nil}
		for _, d := range e.Details() {
			if v, valueErr := d.Value(); valueErr == nil {
				if m, ok := v.(*poolv1.Refusal); ok && m.Shortage == poolv1.Refusal_SHORTAGE_MEMORY {
					r.is = ErrOutOfMemory
				}
			}
		}
		return r
	}
	if e == nil {
		return err
	}
	reason := "it does not answer in time"
	if e.Code() != connect.CodeDeadlineExceeded {
		reason = e.Message()
	}
	return fmt.Errorf("reach orion-controller at %s: %s; start it, or correct [controller] controller_addr in server.conf", c.cfg.Controller, reason)
}

// uncertain reports whether a failed grant may yet have been granted: not if the controller said no.
func uncertain(err error) bool {
	return !connect.IsWireError(err) || connect.CodeOf(err) == connect.CodeInternal
}

func unsigned(n int) uint32 { return uint32(min(max(n, 0), 1<<16)) }

// printable keeps what a program calls itself within what the controller takes.
func printable(s string) string {
	const most = 256 // bytes
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	for len(s) > most {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

func fromProto(m *poolv1.Lease) Lease {
	l := Lease{ID: m.Id}
	for _, v := range m.Vgpus {
		l.VGPUs = append(l.VGPUs, VGPU{Node: v.Node, GPU: int(v.GpuIndex), UUID: v.GpuUuid, MemoryBytes: v.MemoryBytes, RatioPercent: int(v.RatioPercent)})
	}
	return l
}
