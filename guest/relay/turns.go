// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Bounds on handshakes. Users of one machine wait for turns of their own first, so that one of them, who connects and
// says nothing, keeps nobody else waiting.
const (
	maxHandshakes        = 128 // under way at once
	maxHandshakesPerUser = 64
	maxWaitingPerUser    = 1024 // each costs a descriptor
)

// turns are those of handshakes.
type turns struct {
	all chan struct{}

	mu    sync.Mutex
	users map[uint32]*user
}

type user struct {
	connections int
	turns       chan struct{}
}

func newTurns() *turns {
	return &turns{all: make(chan struct{}, maxHandshakes), users: map[uint32]*user{}}
}

// enter waits for a turn of a user's. It is false where too many wait already, or ctx has ended; else leave must follow.
func (t *turns) enter(ctx context.Context, uid uint32) (leave func(), ok bool) {
	t.mu.Lock()
	u := t.users[uid]
	if u == nil {
		u = &user{turns: make(chan struct{}, maxHandshakesPerUser)}
		t.users[uid] = u
	}
	if u.connections >= maxWaitingPerUser {
		t.mu.Unlock()
		return nil, false
	}
	u.connections++
	t.mu.Unlock()
	gone := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if u.connections--; u.connections == 0 {
			delete(t.users, uid)
		}
	}
	for i, c := range []chan struct{}{u.turns, t.all} {
		select {
		case c <- struct{}{}:
		case <-ctx.Done():
			if i > 0 {
				<-u.turns
			}
			gone()
			return nil, false
		}
	}
	return func() { <-t.all; <-u.turns; gone() }, true
}

// userOf is who the kernel says is at the other end.
func userOf(conn *net.UnixConn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
