// SPDX-License-Identifier: Apache-2.0

// Package entrance accepts clients: programs of this host by a unix socket, virtual machines by vsock or TCP,
// other hosts by TCP. All that a session needs of a connection is here, so that the rest need not know which
// of them it is: its descriptor, who is at its other end, and how its end is noticed.
package entrance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"
)

// Kind is how clients come in.
type Kind string

const (
	Unix  Kind = "unix"
	Vsock Kind = "vsock"
	TCP   Kind = "tcp"
)

// Listener is one entrance.
type Listener struct {
	net.Listener
	kind   Kind
	hybrid bool
}

// ListenUnix listens on a unix socket for programs of this host.
func ListenUnix(path string, mode os.FileMode) (*Listener, error) {
	l, err := listen(path, mode)
	if err != nil {
		return nil, err
	}
	return &Listener{Listener: l, kind: Unix}, nil
}

// ListenTCP listens on address, host:port. Port 0 lets the system choose; Addr tells it.
func ListenTCP(address string) (*Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (bind_addr and listen_port in section [server]): %w", address, err)
	}
	return &Listener{Listener: l, kind: TCP}, nil
}

// ErrNoVsock says that this machine's kernel has no AF_VSOCK.
var ErrNoVsock = errors.New("this machine has no vsock: load the module vhost_vsock to have virtual machines use it")

// ListenVsock listens on a port of AF_VSOCK, for all virtual machines of this host. It wraps ErrNoVsock where
// there is none. The socket is bound to any context id, so that it also serves when vhost_vsock comes later.
func ListenVsock(port uint32) (*Listener, error) {
	l, err := vsock.ListenContextID(unix.VMADDR_CID_ANY, port, nil)
	switch {
	case err == nil:
		return &Listener{Listener: l, kind: Vsock}, nil
	case errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ESOCKTNOSUPPORT):
		err = fmt.Errorf("%w (%w)", ErrNoVsock, err)
	}
	return nil, fmt.Errorf("listen on vsock port %d: %w", port, err)
}

// ListenHybrid listens on a unix socket to which a virtual machine monitor connects when a program in its virtual
// machine connects to a port of the host by vsock, as Firecracker, cloud-hypervisor and vhost-device-vsock do on
// PATH_PORT. Who made it so for a machine has opted in for it.
func ListenHybrid(path string, mode os.FileMode) (*Listener, error) {
	l, err := listen(path, mode)
	if err != nil {
		return nil, err
	}
	return &Listener{Listener: l, kind: Vsock, hybrid: true}, nil
}

// Kind says how clients come in here.
func (l *Listener) Kind() Kind { return l.kind }

// AcceptConn waits for the next client. The caller closes the connection.
func (l *Listener) AcceptConn() (*Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &Conn{Conn: c, Kind: l.kind}
	if l.hybrid {
		conn.Hybrid = l.Addr().String()
	}
	switch a := c.RemoteAddr().(type) {
	case *vsock.Addr:
		conn.CID = a.ContextID
	case *net.TCPAddr:
		conn.Host = a.AddrPort().Addr().Unmap()
	}
	return conn, nil
}

// Conn is the connection of one client.
type Conn struct {
	net.Conn
	Kind   Kind
	CID    uint32     // for Vsock: of the virtual machine, as the kernel knows it; 0: see Hybrid
	Hybrid string     // path of the socket of ListenHybrid, or empty
	Host   netip.Addr // for TCP
}

// Source names where a connection comes from, for logs and for bounds on how many come from there. All
// programs of this host have one; who they are is for their unix socket to tell.
func (c *Conn) Source() string {
	switch c.Kind {
	case Vsock:
		if c.Hybrid != "" {
			return "vsock:" + c.Hybrid
		}
		return fmt.Sprintf("vsock:%d", c.CID)
	case TCP:
		return c.Host.String()
	}
	return string(c.Kind)
}

// Control runs f with the connection's descriptor, which stays the connection's.
func (c *Conn) Control(f func(fd int) error) error {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return fmt.Errorf("use %T: it has no descriptor", c.Conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// File returns the descriptor once more, for a worker to inherit or to be kept. The caller closes it.
func (c *Conn) File() (*os.File, error) {
	var fd int
	err := c.Control(func(from int) (err error) {
		fd, err = unix.FcntlInt(uintptr(from), unix.F_DUPFD_CLOEXEC, 3)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("duplicate the client's socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "client"), nil
}

// Await waits until the peer of a socket that File returned has closed its side, or the connection is lost or
// f closed, and swallows what comes until then. First it tells the peer that nobody listens any more.
func Await(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	err = raw.Control(func(fd uintptr) {
		// Who inherited the socket may have had it block: closing f would then not end the wait.
		err = unix.SetNonblock(int(fd), true)
		_ = unix.Shutdown(int(fd), unix.SHUT_WR) // the connection may be lost already
	})
	b := make([]byte, 512)
	for err == nil {
		_, err = f.Read(b)
	}
}
