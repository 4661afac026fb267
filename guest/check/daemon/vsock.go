// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// vsockConn is a connected vsock socket.
type vsockConn struct {
	*os.File
}

func (vsockConn) LocalAddr() net.Addr  { return nil }
func (vsockConn) RemoteAddr() net.Addr { return nil }

// dialHost connects to the host of this virtual machine.
func dialHost(port string) (net.Conn, error) {
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("connect to the host by vsock: port %q", port)
	}
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a vsock socket: %w", err)
	}
	patience := unix.NsecToTimeval(Timeout.Nanoseconds())
	const connectTimeout = 6 // SO_VM_SOCKETS_CONNECT_TIMEOUT
	unix.SetsockoptTimeval(fd, unix.AF_VSOCK, connectTimeout, &patience)
	if err := unix.Connect(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_HOST, Port: uint32(n)}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("connect to the host by vsock: %w", err)
	}
	unix.SetNonblock(fd, true) // so that deadlines work
	return vsockConn{os.NewFile(uintptr(fd), "vsock")}, nil
}

// SetDeadline implements net.Conn.
func (c vsockConn) SetDeadline(t time.Time) error { return c.File.SetDeadline(t) }

// LocalCID returns this machine's vsock address.
func LocalCID() (uint32, error) {
	f, err := os.Open("/dev/vsock")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const getLocalCID = 0x7b9 // IOCTL_VM_SOCKETS_GET_LOCAL_CID
	cid, err := unix.IoctlGetUint32(int(f.Fd()), getLocalCID)
	if err != nil {
		return 0, fmt.Errorf("ask /dev/vsock: %w", err)
	}
	return cid, nil
}
