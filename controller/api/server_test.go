// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/controller/store"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// start serves a new pool on a free port until the test ends, and checks that it then stops in time.
func start(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, l, pool.New(pool.Config{Store: store.NewMemory(), Log: log}), log) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Error("the server does not stop")
		}
	})
	return l.Addr().String()
}

// client speaks to the service; with gRPC over unencrypted HTTP/2, like gRPC's own libraries.
func client(t *testing.T, address string, grpc bool) poolv1connect.PoolServiceClient {
	t.Helper()
	transport := &http.Transport{}
	var options []connect.ClientOption
	if grpc {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
		options = append(options, connect.WithGRPC())
	}
	t.Cleanup(transport.CloseIdleConnections)
	return poolv1connect.NewPoolServiceClient(&http.Client{Transport: transport}, "http://"+address, options...)
}

func register(t *testing.T, c poolv1connect.PoolServiceClient) {
	t.Helper()
	_, err := c.Heartbeat(t.Context(), connect.NewRequest(&poolv1.HeartbeatRequest{Protocol: poolv1.Protocol, Sequence: 1, Node: &poolv1.Node{
		Name: "b", BootId: "boot", Instance: "1", StartedAt: timestamppb.Now(), VgpuCount: 4,
		Gpus: []*poolv1.GPU{{Index: 0, Uuid: "GPU-0", MemoryBytes: 16384 << 20}, {Index: 1, Uuid: "GPU-1", MemoryBytes: 32768 << 20}},
	}}))
	if err != nil {
		t.Fatal(err)
	}
}

func TestService(t *testing.T) {
	t.Parallel()
	for name, grpc := range map[string]bool{"connect": false, "grpc": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, start(t), grpc)
			register(t, c)
			grant := &poolv1.GrantRequest{Protocol: poolv1.Protocol, Node: "b", Vgpus: 1, MemoryMib: 20480, LocalOnly: true, Program: "train", Pid: 7, Host: "h"}
			g, err := c.Grant(t.Context(), connect.NewRequest(grant))
			if err != nil {
				t.Fatal(err)
			}
			if v := g.Msg.Lease.Vgpus; len(v) != 1 || v[0].GpuUuid != "GPU-1" || v[0].MemoryBytes != 20480<<20 || v[0].RatioPercent != 25 {
				t.Errorf("granted %v", v)
			}
			for _, r := range []struct {
				memory uint64
				code   connect.Code
				words  string
			}{
				{20480, connect.CodeResourceExhausted, "1 vGPU of 20480 MiB asked, the largest free is 16384 MiB on node b GPU 0"},
				{40960, connect.CodeFailedPrecondition, "1 vGPU of 40960 MiB asked, the largest GPU has 32768 MiB (node b GPU 1)"},
			} {
				grant.MemoryMib = r.memory
				_, err = c.Grant(t.Context(), connect.NewRequest(grant))
				e, ok := err.(*connect.Error)
				if !ok || e.Code() != r.code || e.Message() != r.words || shortage(t, e) != poolv1.Refusal_SHORTAGE_MEMORY {
					t.Errorf("got %v, want %v: %s", err, r.code, r.words)
				}
			}
			l, err := c.List(t.Context(), connect.NewRequest(&poolv1.ListRequest{Protocol: poolv1.Protocol}))
			if err != nil || len(l.Msg.Pool.Leases) != 1 || l.Msg.Pool.Leases[0].Program != "train" || l.Msg.Pool.Nodes[0].Granted[1].Vgpus != 1 {
				t.Errorf("list: %v, %v", l, err)
			}
			for range 2 {
				if _, err := c.Release(t.Context(), connect.NewRequest(&poolv1.ReleaseRequest{Protocol: poolv1.Protocol, LeaseId: g.Msg.Lease.Id})); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func shortage(t *testing.T, e *connect.Error) poolv1.Refusal_Shortage {
	t.Helper()
	for _, d := range e.Details() {
		v, err := d.Value()
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := v.(*poolv1.Refusal); ok {
			return r.Shortage
		}
	}
	return 0
}

func TestVersionsThatDoNotMatch(t *testing.T) {
	t.Parallel()
	c := client(t, start(t), false)
	calls := map[string]func(uint32) error{
		"Heartbeat": func(v uint32) error {
			_, err := c.Heartbeat(t.Context(), connect.NewRequest(&poolv1.HeartbeatRequest{Protocol: v}))
			return err
		},
		"Grant": func(v uint32) error {
			_, err := c.Grant(t.Context(), connect.NewRequest(&poolv1.GrantRequest{Protocol: v}))
			return err
		},
		"Release": func(v uint32) error {
			_, err := c.Release(t.Context(), connect.NewRequest(&poolv1.ReleaseRequest{Protocol: v}))
			return err
		},
		"List": func(v uint32) error {
			_, err := c.List(t.Context(), connect.NewRequest(&poolv1.ListRequest{Protocol: v}))
			return err
		},
		"Watch": func(v uint32) error {
			s, err := c.Watch(t.Context(), connect.NewRequest(&poolv1.WatchRequest{Protocol: v}))
			if err != nil {
				return err
			}
			defer s.Close()
			s.Receive()
			return s.Err()
		},
	}
	for name, call := range calls {
		err := call(poolv1.Protocol + 1)
		if connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "speaks pool protocol 2") || !strings.Contains(err.Error(), "speaks 1") {
			t.Errorf("%s of version 2: got %v", name, err)
		}
		if err := call(0); connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), "no protocol version") {
			t.Errorf("%s without version: got %v", name, err)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	c := client(t, start(t), false)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := c.Watch(ctx, connect.NewRequest(&poolv1.WatchRequest{Protocol: poolv1.Protocol}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.Receive() || len(s.Msg().Pool.Nodes) != 0 {
		t.Fatalf("first: %v, %v", s.Msg(), s.Err())
	}
	register(t, c)
	if !s.Receive() || len(s.Msg().Pool.Nodes) != 1 {
		t.Fatalf("second: %v, %v", s.Msg(), s.Err())
	}
	// The watch is open still when start's clean-up stops the server, which must not wait for it.
}

func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	address := start(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	h := &http.Client{Transport: transport}
	for _, c := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"health", "/healthz", "", 200, "ok\n"},
		{"list as JSON", poolv1connect.PoolServiceListProcedure, `{"protocol": 1}`, 200, `"release":`},
		{"nonsense", poolv1connect.PoolServiceListProcedure, `{`, 400, "invalid_argument"},
		{"incomplete", poolv1connect.PoolServiceGrantProcedure, `{"protocol": 1, "vgpus": 1}`, 400, "node is empty"},
		{"too large", poolv1connect.PoolServiceListProcedure, `{"x": "` + strings.Repeat("x", maxRequestBytes) + `"}`, 429, "resource_exhausted"},
		{"no such method", "/orion.pool.v1.PoolService/Steal", `{}`, 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r *http.Response
			var err error
			if c.body == "" {
				r, err = h.Get("http://" + address + c.path)
			} else {
				r, err = h.Post("http://"+address+c.path, "application/json", bytes.NewBufferString(c.body))
			}
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			body, err := io.ReadAll(r.Body)
			if err != nil || r.StatusCode != c.status || !strings.Contains(string(body), c.want) {
				t.Errorf("got %d %.200s, %v; want %d %s", r.StatusCode, body, err, c.status, c.want)
			}
		})
	}
}

func TestTooManyWatchers(t *testing.T) {
	t.Parallel()
	p := pool.New(pool.Config{Store: store.NewMemory(), Log: slog.New(slog.DiscardHandler)})
	s := &service{pool: p, stopping: t.Context(), watchers: make(chan struct{}, 1)}
	s.watchers <- struct{}{}
	err := s.Watch(t.Context(), connect.NewRequest(&poolv1.WatchRequest{}), nil)
	if connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(inner, 1)
	accepted := make(chan net.Conn)
	stopped := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				stopped <- err
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("a second connection is accepted beside the first")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // frees its place once
	second := <-accepted
	defer second.Close()
	l.Close()
	select {
	case err := <-stopped:
		if err == nil {
			t.Error("Accept of a closed listener succeeds")
		}
	case <-time.After(30 * time.Second):
		t.Error("Accept does not end with the listener")
	}
}
