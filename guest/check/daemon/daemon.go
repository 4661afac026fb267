// SPDX-License-Identifier: Apache-2.0

// Package daemon asks an oriond, or an orion-relay, for its release, as a client begins a session.
package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Timeout bounds each step.
const Timeout = 3 * time.Second

// Answer is what is known of who answered.
type Answer struct {
	Release  string
	Protocol uint32
	Commands uint64 // hash of the commands that it knows
	Status   uint32 // why it refuses: Asked, Mismatch, or another CUresult
	Message  string // the same in words
	PID      int    // by a unix socket, else 0; 0 too where it lies in another PID namespace
}

// Statuses of a refusal: no vGPUs were asked for; the releases do not match. A relay answers with others when it
// reaches no oriond.
const (
	Asked    = 1
	Mismatch = 803
)

// Network names of Ask.
const (
	Unix  = "unix"
	TCP   = "tcp"
	VSock = "vsock" // address is the port, at the host
)

// Ask connects and asks for no vGPUs. That is refused, with the release: nothing is started or taken.
func Ask(ctx context.Context, network, address string, carrier uint32) (Answer, error) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return Answer{}, err
	}
	defer conn.Close()
	a := Answer{PID: peer(conn)}
	conn.SetDeadline(time.Now().Add(Timeout))
	host, _ := os.Hostname()
	h := wire.Hello{Version: wire.Version, Spec: cuda.SpecHash, PID: uint32(os.Getpid()), Carrier: carrier, Base: wire.DefaultBase,
		Program: "orion-check", Host: host, Release: release.Version}
	b, err := h.MarshalBinary()
	if err != nil {
		return a, err
	}
	if _, err := conn.Write(b); err != nil {
		return a, fmt.Errorf("ask oriond: %w", err)
	}
	b = make([]byte, wire.HelloSize)
	if _, err := io.ReadFull(conn, b); err != nil {
		return a, fmt.Errorf("read oriond's answer: %w", err)
	}
	var w wire.Welcome
	if err := w.UnmarshalBinary(b); err != nil {
		return a, err
	}
	a.Release, a.Protocol, a.Commands, a.Status, a.Message = w.Release, w.Version, w.Spec, w.Status, w.Message
	return a, nil
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == VSock {
		return dialHost(address)
	}
	d := net.Dialer{Timeout: Timeout}
	return d.DialContext(ctx, network, address)
}

// peer returns the process at the other end of a unix socket.
func peer(conn net.Conn) int {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}
