// SPDX-License-Identifier: Apache-2.0

package share

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

// ErrUnknown means that there is no such offer any more.
var ErrUnknown = errors.New("what was shared is gone, or is on another node")

const (
	patience  = 5 * time.Second // with another worker
	maxData   = 256             // bytes of an offer
	maxOffers = 1 << 16         // of one worker
)

// Giver offers things to other workers. Its zero value is ready; it is safe for concurrent use.
type Giver struct {
	mu       sync.Mutex
	socket   [secretBytes]byte
	listener *net.UnixListener
	offers   map[Token]func() (driver.Shared, error)
}

// Offer returns a token for something. Each who comes with it gets what open returns; open runs on any goroutine,
// while no offer is being withdrawn.
func (g *Giver) Offer(kind byte, open func() (driver.Shared, error)) (Token, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.offers) >= maxOffers {
		return Token{}, fmt.Errorf("share memory: %d things are shared already", maxOffers)
	}
	if g.listener == nil {
		if err := g.listen(); err != nil {
			return Token{}, err
		}
	}
	t := newToken(g.socket, kind)
	g.offers[t] = open
	return t, nil
}

// Withdraw ends an offer. After it, nothing uses what was offered.
func (g *Giver) Withdraw(t Token) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.offers, t)
}

// Close ends all offers.
func (g *Giver) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.offers)
	if g.listener != nil {
		g.listener.Close()
	}
}

func (g *Giver) listen() error {
	_, _ = rand.Read(g.socket[:])
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socketName(g.socket), Net: "unixpacket"})
	if err != nil {
		return fmt.Errorf("share memory: %w", err)
	}
	g.listener, g.offers = l, map[Token]func() (driver.Shared, error){}
	go g.serve(l)
	return nil
}

func (g *Giver) serve(l *net.UnixListener) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		g.answer(c)
		c.Close()
	}
}

// answer gives what one token stands for. An empty answer is a refusal.
func (g *Giver) answer(c *net.UnixConn) {
	_ = c.SetDeadline(time.Now().Add(patience))
	var t Token
	if sameUser(c) != nil { // first, so that a stranger keeps nobody waiting
		return
	}
	if n, err := c.Read(t[:]); err != nil || n != len(t) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	open := g.offers[t]
	if open == nil {
		return
	}
	s, err := open()
	if err != nil {
		return
	}
	defer s.Close()
	var rights []byte
	if s.File != nil {
		rights = unix.UnixRights(int(s.File.Fd()))
	}
	_, _, _ = c.WriteMsgUnix(append([]byte{t.Kind()}, s.Data...), rights, nil)
}

// Fetch gets what a token stands for, from whichever worker of this node offers it.
func Fetch(t Token) (driver.Shared, error) {
	if t.Kind() == 0 {
		return driver.Shared{}, ErrUnknown
	}
	d := net.Dialer{Timeout: patience}
	conn, err := d.Dial("unixpacket", t.socket())
	if err != nil {
		return driver.Shared{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	defer conn.Close()
	c := conn.(*net.UnixConn)
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := sameUser(c); err != nil {
		return driver.Shared{}, err
	}
	if _, err := c.Write(t[:]); err != nil {
		return driver.Shared{}, fmt.Errorf("ask for shared memory: %w", err)
	}
	return receive(c, t.Kind())
}

func receive(c *net.UnixConn, kind byte) (driver.Shared, error) {
	data, rights := make([]byte, 1+maxData), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := c.ReadMsgUnix(data, rights)
	if err != nil {
		return driver.Shared{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	var s driver.Shared
	if messages, err := unix.ParseSocketControlMessage(rights[:m]); err == nil {
		for _, message := range messages {
			fds, _ := unix.ParseUnixRights(&message)
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				s.Close()
				s.File = os.NewFile(uintptr(fd), "shared")
			}
		}
	}
	if n < 1 || data[0] != kind {
		s.Close()
		return driver.Shared{}, ErrUnknown
	}
	s.Data = data[1:n]
	return s, nil
}

// sameUser says whether who is at the other end runs as this process does.
func sameUser(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var inner error
	if err := raw.Control(func(fd uintptr) { cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return err
	}
	if inner != nil {
		return inner
	}
	if int(cred.Uid) != os.Geteuid() {
		return fmt.Errorf("share memory: the other end runs as user %d, not as this worker's", cred.Uid)
	}
	return nil
}
