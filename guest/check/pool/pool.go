// SPDX-License-Identifier: Apache-2.0

// Package pool asks an orion-controller what it has.
package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

const (
	timeout  = 3 * time.Second
	maxReply = 64 << 20
)

// Pool is the state of a pool.
type Pool struct {
	Release string
	Skew    time.Duration // the controller's clock before this machine's, as nearly as an answer tells
	Total   int           // vGPUs that nodes offer which answer
	Free    int
	Nodes   []*poolv1.NodeStatus
}

// Ask asks the controller at host:port.
func Ask(ctx context.Context, address string) (*Pool, error) {
	transport := &http.Transport{Proxy: nil, DialContext: (&net.Dialer{Timeout: timeout}).DialContext, ResponseHeaderTimeout: timeout}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client := poolv1connect.NewPoolServiceClient(&http.Client{Transport: transport}, "http://"+address, connect.WithReadMaxBytes(maxReply))
	asked := time.Now()
	r, err := client.List(ctx, connect.NewRequest(&poolv1.ListRequest{Protocol: poolv1.Protocol}))
	if err != nil {
		var e *connect.Error
		if errors.As(err, &e) {
			err = errors.New(e.Message())
		}
		return nil, fmt.Errorf("ask orion-controller: %w", err)
	}
	middle := asked.Add(time.Since(asked) / 2)
	p := &Pool{Release: r.Msg.Pool.GetRelease(), Skew: r.Msg.Pool.GetAt().AsTime().Sub(middle), Nodes: r.Msg.Pool.GetNodes()}
	for _, n := range p.Nodes {
		if n.State != poolv1.NodeStatus_STATE_READY {
			continue
		}
		for i := range n.Node.GetGpus() {
			all := int(n.Node.VgpuCount)
			p.Total += all
			if i < len(n.Granted) {
				all -= int(n.Granted[i].GetVgpus())
			}
			p.Free += max(all, 0)
		}
	}
	return p, nil
}

// Node returns the node of that name, or nil.
func (p *Pool) Node(name string) *poolv1.NodeStatus {
	for _, n := range p.Nodes {
		if n.Node.GetName() == name {
			return n
		}
	}
	return nil
}

// GPUs describes the GPUs of the pool, a line each.
func (p *Pool) GPUs() []string {
	lines := []string{}
	for _, n := range p.Nodes {
		for _, g := range n.Node.GetGpus() {
			lines = append(lines, fmt.Sprintf("%s GPU %d: %s, %d MiB, driver %s", n.Node.Name, g.Index, g.Name, g.MemoryBytes>>20, g.DriverVersion))
		}
	}
	return lines
}
