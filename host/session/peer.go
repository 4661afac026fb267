// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/proto/wire"
)

// peer is the client as the kernel knows it. Of one that does not come by the unix socket it knows the machine.
type peer struct {
	source string // what bounds on handshakes count
	local  bool   // a program of this host, by the unix socket
	uid    uint32
	ref    process.Ref     // zero where the process lies outside of our PID namespace
	handle *process.Handle // nil where it cannot be watched
}

// identify asks the kernel who connected. The caller closes the handle.
func identify(conn *entrance.Conn) (peer, error) {
	if conn.Kind != entrance.Unix {
		return peer{source: conn.Source()}, nil
	}
	local, ok := conn.Conn.(*net.UnixConn)
	if !ok {
		return peer{}, fmt.Errorf("identify client: it came by %T", conn.Conn)
	}
	return identifyLocal(local)
}

func identifyLocal(conn *net.UnixConn) (peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer{}, fmt.Errorf("identify client: %w", err)
	}
	var cred *unix.Ucred
	pidfd := -1
	var failed error
	if err := raw.Control(func(fd uintptr) {
		if cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); failed != nil {
			return
		}
		// Since Linux 6.5: the process itself, however its PID may be reused meanwhile.
		if n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD); err == nil {
			pidfd = n
		}
	}); err != nil {
		return peer{}, fmt.Errorf("identify client: %w", err)
	}
	if failed != nil {
		return peer{}, fmt.Errorf("identify client: %w", failed)
	}
	p := peer{source: fmt.Sprintf("uid:%d", cred.Uid), local: true, uid: cred.Uid}
	if pidfd >= 0 {
		if p.handle, err = process.FromFD(pidfd); err != nil {
			return peer{}, fmt.Errorf("identify client: %w", err)
		}
	}
	if cred.Pid == 0 { // in a container that shares the socket, but not our PID namespace
		return p, nil
	}
	p.ref, err = process.Find(int(cred.Pid))
	if err == nil && p.handle == nil {
		p.handle, err = process.Open(p.ref)
	}
	if err != nil {
		p.close()
		return peer{}, fmt.Errorf("identify client: %w", err)
	}
	return p, nil
}

// pid is the client's process id on its own host.
func (p peer) pid(h wire.Hello) int {
	if p.local {
		return p.ref.PID
	}
	return int(h.PID)
}

// gone says whether the client is known to have ended.
func (p peer) gone() bool { return p.handle != nil && p.handle.Ended() }

func (p peer) close() {
	if p.handle != nil {
		p.handle.Close()
	}
}

// LogValue describes the client in logs.
func (p peer) LogValue() slog.Value {
	if !p.local {
		return slog.GroupValue(slog.String("from", p.source))
	}
	return slog.GroupValue(slog.Int("pid", p.ref.PID), slog.Uint64("uid", uint64(p.uid)))
}

// errGone is what a handshake ends with when the client does not wait for its end.
var errGone = errors.New("the client has gone")
