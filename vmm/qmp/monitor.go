// SPDX-License-Identifier: Apache-2.0

package qmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
	"golang.org/x/sys/unix"
)

const (
	dialTimeout = 2 * time.Second
	helloTime   = 5 * time.Second // another program may have the monitor
)

// monitor is a connection to QEMU.
type monitor struct {
	socket *qmp.SocketMonitor
	events <-chan qmp.Event
	owner  unix.Ucred // QEMU's process
}

// dial connects and shakes hands.
func dial(path string) (*monitor, error) {
	who, err := owner(path)
	if err != nil {
		return nil, err
	}
	s, err := qmp.NewSocketMonitor("unix", path, dialTimeout)
	if err != nil {
		return nil, err
	}
	late := time.AfterFunc(helloTime, func() { s.Disconnect() })
	err = s.Connect()
	if !late.Stop() {
		err = errors.New("no greeting: another program uses this monitor; give QEMU one more (-qmp unix:PATH,server=on,wait=off)")
	}
	if err != nil {
		s.Disconnect()
		return nil, err
	}
	events, err := s.Events(context.Background())
	if err != nil {
		s.Disconnect()
		return nil, err
	}
	return &monitor{socket: s, events: events, owner: who}, nil
}

// close ends the connection, and with it the stream of events.
func (m *monitor) close() {
	// An event that nobody takes would keep the reader, and Disconnect with it.
	go func() {
		for range m.events {
		}
	}()
	m.socket.Disconnect()
}

// owner asks the kernel who listens at path.
func owner(path string) (unix.Ucred, error) {
	conn, err := net.DialTimeout("unix", path, dialTimeout)
	if err != nil {
		return unix.Ucred{}, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return unix.Ucred{}, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return unix.Ucred{}, err
	}
	if failed != nil {
		return unix.Ucred{}, fmt.Errorf("ask who listens: %w", failed)
	}
	return *cred, nil
}

// gone says whether an error of dial means that QEMU has ended.
func gone(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// run executes a command and reads its answer into out, where that is not nil. A QEMU that does not answer by
// the end of ctx loses its connection.
func (m *monitor) run(ctx context.Context, command string, arguments, out any) error {
	b, err := json.Marshal(qmp.Command{Execute: command, Args: arguments})
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	stop := context.AfterFunc(ctx, func() { m.socket.Disconnect() })
	answer, err := m.socket.Run(b)
	if !stop() {
		return fmt.Errorf("%s: %w", command, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, &struct {
		Return any `json:"return"`
	}{out}); err != nil {
		return fmt.Errorf("%s: read answer: %w", command, err)
	}
	return nil
}
