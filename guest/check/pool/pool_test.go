// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// controller answers with a pool.
type controller struct {
	poolv1connect.UnimplementedPoolServiceHandler
	pool *poolv1.Pool
}

func (c controller) List(context.Context, *connect.Request[poolv1.ListRequest]) (*connect.Response[poolv1.ListResponse], error) {
	return connect.NewResponse(&poolv1.ListResponse{Pool: c.pool}), nil
}

func serve(t *testing.T, p *poolv1.Pool) string {
	t.Helper()
	_, handler := poolv1connect.NewPoolServiceHandler(controller{pool: p})
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestAsk(t *testing.T) {
	t.Parallel()
	gpus := []*poolv1.GPU{{Index: 0, Name: "A", MemoryBytes: 1 << 30, DriverVersion: "580"}, {Index: 1, Name: "B"}}
	p, err := Ask(t.Context(), serve(t, &poolv1.Pool{Release: "1.2", At: timestamppb.New(time.Now().Add(-time.Hour)), Nodes: []*poolv1.NodeStatus{
		{Node: &poolv1.Node{Name: "a", VgpuCount: 4, Gpus: gpus}, State: poolv1.NodeStatus_STATE_READY, Granted: []*poolv1.Granted{{Vgpus: 3}, {Vgpus: 9}}},
		{Node: &poolv1.Node{Name: "b", VgpuCount: 2, Gpus: gpus}, State: poolv1.NodeStatus_STATE_READY}, // says nothing of what is granted
		{Node: &poolv1.Node{Name: "c", VgpuCount: 8, Gpus: gpus}, State: poolv1.NodeStatus_STATE_LOST},
		{},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	if p.Release != "1.2" || p.Total != 12 || p.Free != 5 || p.Skew > -59*time.Minute || p.Skew < -61*time.Minute {
		t.Errorf("got %+v", p)
	}
	if p.Node("b") != p.Nodes[1] || p.Node("x") != nil {
		t.Error("nodes are not found by their names")
	}
	if lines := p.GPUs(); len(lines) != 6 || lines[0] != "a GPU 0: A, 1024 MiB, driver 580" {
		t.Errorf("GPUs %q", lines)
	}
	if p, err := Ask(t.Context(), serve(t, nil)); err != nil || p.Total != 0 {
		t.Errorf("of an empty answer: %+v, %v", p, err)
	}
}

func TestAskInVain(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, address := range []string{"127.0.0.1:1", l.Addr().String(), strings.TrimPrefix(other.URL, "http://")} {
		start := time.Now()
		if _, err := Ask(t.Context(), address); err == nil || time.Since(start) > 2*timeout {
			t.Errorf("%s: %v, after %v", address, err, time.Since(start))
		}
	}
}
