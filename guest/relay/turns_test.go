// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/proto/carry"
)

// One user who connects and says nothing keeps no other waiting, and has no more than some connections.
func TestTurns(t *testing.T) {
	t.Parallel()
	turns := newTurns()
	ctx, cancel := context.WithCancel(t.Context())
	var leave []func()
	for range maxHandshakesPerUser {
		l, ok := turns.enter(ctx, 1000)
		if !ok {
			t.Fatal("no turn")
		}
		leave = append(leave, l)
	}
	waiting := make(chan bool)
	for range maxWaitingPerUser - maxHandshakesPerUser {
		go func() {
			_, ok := turns.enter(ctx, 1000)
			waiting <- ok
		}()
	}
	for {
		turns.mu.Lock()
		n := turns.users[1000].connections
		turns.mu.Unlock()
		if n == maxWaitingPerUser {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, ok := turns.enter(ctx, 1000); ok {
		t.Error("one user has more connections than the bound")
	}
	other, ok := turns.enter(ctx, 1001)
	if !ok {
		t.Fatal("another user has no turn")
	}
	other()
	cancel()
	for range maxWaitingPerUser - maxHandshakesPerUser {
		if <-waiting {
			t.Error("a turn beyond the bound")
		}
	}
	for _, l := range leave {
		l()
	}
	if len(turns.users) != 0 || len(turns.all) != 0 {
		t.Errorf("%d users and %d turns are left", len(turns.users), len(turns.all))
	}
}

// A socket is answered though its user has silent ones.
func TestSilentProgramsKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	l, err := Listen(filepath.Join(t.TempDir(), "relay.sock"))
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Servers: func(context.Context) []Server { return nil }, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- r.Serve(ctx, l) }()
	for range maxHandshakesPerUser - 1 {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(helloTime - time.Second))
	if _, err := c.Write(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.ReadFull(c, make([]byte, 512)); err != nil {
		t.Errorf("%d bytes of a refusal came, %v", n, err)
	}
	cancel()
	if err := <-served; err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// What a program says of second addresses and of copies costs the relay, which serves others too, no more than what it
// has pinned, and some.
func TestHostileProgramCostsLittle(t *testing.T) {
	t.Parallel()
	const heap = 1 << 20
	p := newPinned(make(carry.Region, 2*heap), heap)
	p.add(heap, 4096)
	for i := range uint64(10000) {
		p.addAlias(0x5000_0000_0000+i<<12, heap, 4096)
		p.addAlias(0x5000_0000_0000+i<<12, heap+8192, 4096)
	}
	if len(p.aliases) != 1 || p.named(0x5000_0000_0000+9999<<12, 0) == nil {
		t.Errorf("one allocation has %d second addresses", len(p.aliases))
	}
	n := 0
	for n <= maxAwaited && p.await(uint64(n), heap, 8) {
		n++
	}
	if n != maxAwaited {
		t.Errorf("%d copies are noted", n)
	}
}
