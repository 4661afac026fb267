// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy is a network between a relay and an oriond, with what networks do.
type proxy struct {
	address string // where it listens
	server  string
	held    atomic.Bool // swallows all, and keeps connections open
	crumble atomic.Bool // passes on in small pieces, late

	mu    sync.Mutex
	conns []net.Conn
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), server: server}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.join(c)
		}
	}()
	return p
}

func (p *proxy) join(c net.Conn) {
	s, err := net.Dial("tcp", p.server)
	if err != nil {
		c.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, c, s)
	p.mu.Unlock()
	go p.carry(c, s)
	go p.carry(s, c)
}

func (p *proxy) carry(from, to net.Conn) {
	defer func() {
		if !p.held.Load() { // an end is swallowed too
			to.Close()
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if p.held.Load() {
			n = 0
		}
		for at := 0; at < n; {
			piece := n - at
			if p.crumble.Load() {
				piece = min(piece, 1+rand.IntN(3000))
				if rand.IntN(20) == 0 {
					time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
				}
			}
			if _, err := to.Write(b[at : at+piece]); err != nil {
				return
			}
			at += piece
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}
