// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/orion-vgpu/orion/host/session/record"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// pool asks the controller what it knows, on a connection of its own, so that a restart is no error.
func (c *Chain) pool() (*poolv1.Pool, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := poolv1connect.NewPoolServiceClient(&http.Client{Transport: transport}, "http://"+c.Address)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := client.List(ctx, connect.NewRequest(&poolv1.ListRequest{Protocol: poolv1.Protocol}))
	if err != nil {
		return nil, fmt.Errorf("list the pool: %w", err)
	}
	return answer.Msg.Pool, nil
}

// Pool returns what the controller knows.
func (c *Chain) Pool(t testing.TB) *poolv1.Pool {
	t.Helper()
	p, err := c.pool()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// WaitReady waits until the controller grants vGPUs of all nodes.
func (c *Chain) WaitReady(t testing.TB) {
	t.Helper()
	Within(t, "all nodes are in the pool", patience, func() bool {
		p, err := c.pool()
		if err != nil {
			return false
		}
		ready := 0
		for _, n := range p.Nodes {
			if n.State == poolv1.NodeStatus_STATE_READY && len(n.Node.Gpus) > 0 {
				ready++
			}
		}
		return ready == len(c.Nodes)
	})
}

// WaitLeases waits, as Soon does, until the pool has n leases.
func (c *Chain) WaitLeases(t testing.TB, n int, limit time.Duration) {
	t.Helper()
	Soon(t, fmt.Sprintf("%d leases in the pool", n), limit, func() bool { return len(c.Pool(t).Leases) == n })
}

// waitAnswers waits until oriond accepts clients.
func (n *Node) waitAnswers(t testing.TB) {
	t.Helper()
	Within(t, "oriond answers on "+n.Socket, patience, func() bool {
		if !n.Running() {
			t.Fatalf("oriond ended: %v\n%s", n.cmd.ProcessState, n.Log())
		}
		conn, err := net.Dial("unix", n.Socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// Sessions returns the sessions that have records on this node.
func (n *Node) Sessions(t testing.TB) []record.Session {
	t.Helper()
	all, err := record.Load(record.Dir(n.Socket))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// WaitSession waits for the session of a client process.
func (n *Node) WaitSession(t testing.TB, pid int) (s record.Session) {
	t.Helper()
	Within(t, fmt.Sprintf("a session of process %d", pid), patience, func() bool {
		for _, r := range n.Sessions(t) {
			if r.Client.PID == pid && r.Worker.PID != 0 {
				s = r
				return true
			}
		}
		return false
	})
	return s
}
