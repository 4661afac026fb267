// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A worker on standby has prepared its driver before there is a client. Descriptor SocketFD is then a
// SOCK_SEQPACKET socket to oriond, over which the session comes as one message: the configuration, and the
// descriptors that other workers inherit. RegionFD and ClientFD are held by /dev/null, lest the driver take them.

const (
	maxAssignment = 64 << 10 // bounds the configuration in a message
	assignTimeout = time.Second
)

// Inheritance is what a worker gets of a session besides its configuration.
type Inheritance struct {
	Socket, Region, Log *os.File
	Client              *os.File // pidfd, or nil
}

// Assign gives a session to the worker on standby at the other end of conn. After an error the worker has not begun
// with it.
func Assign(conn *net.UnixConn, cfg Config, in Inheritance) error {
	b, err := json.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("assign session: %w", err)
	}
	fds := []int{int(in.Socket.Fd()), int(in.Region.Fd()), int(in.Log.Fd())}
	if in.Client != nil {
		fds = append(fds, int(in.Client.Fd()))
	}
	if _, _, err := conn.WriteMsgUnix(b, unix.UnixRights(fds...), nil); err != nil {
		return fmt.Errorf("assign session: %w", err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(assignTimeout)); err != nil {
		return fmt.Errorf("assign session: %w", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("assign session: the worker did not take it: %w", err)
	}
	return nil
}

// Await tells oriond that this worker is ready, waits for a session, and puts its descriptors where Run expects them;
// standard output and error become the session's log. It returns io.EOF when oriond has closed the connection: there
// will be no session.
func Await() (Config, error) {
	var cfg Config
	if err := unix.Sendmsg(SocketFD, []byte{1}, nil, nil, unix.MSG_NOSIGNAL); err != nil {
		return cfg, fmt.Errorf("tell oriond that the worker is ready: %w", err)
	}
	b, rights := make([]byte, maxAssignment), make([]byte, unix.CmsgSpace(4*4))
	var n, m, flags int
	var err error
	for {
		n, m, flags, _, err = unix.Recvmsg(SocketFD, b, rights, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	switch {
	case err != nil:
		return cfg, fmt.Errorf("wait for a session: %w", err)
	case n == 0:
		return cfg, io.EOF
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		return cfg, errors.New("wait for a session: oriond's message is too long")
	}
	fds, err := descriptors(rights[:m])
	if err != nil {
		return cfg, err
	}
	if err := json.Unmarshal(b[:n], &cfg); err != nil {
		return cfg, fmt.Errorf("read worker configuration: %w", err)
	}
	places := [][]int{{SocketFD}, {RegionFD}, {unix.Stdout, unix.Stderr}, {ClientFD}}
	if len(fds) < len(places)-1 || len(fds) > len(places) {
		return cfg, fmt.Errorf("wait for a session: oriond sent %d descriptors", len(fds))
	}
	// Before its descriptor goes: oriond waits for this, and takes another worker if it does not come.
	if err := unix.Sendmsg(SocketFD, []byte{1}, nil, nil, unix.MSG_NOSIGNAL); err != nil {
		return cfg, fmt.Errorf("take over a session: %w", err)
	}
	unix.Close(ClientFD)
	for i, fd := range fds {
		for _, place := range places[i] {
			if err := unix.Dup3(fd, place, 0); err != nil {
				return cfg, fmt.Errorf("take over a descriptor: %w", err)
			}
		}
		unix.Close(fd)
	}
	return cfg, nil
}

func descriptors(rights []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("wait for a session: no descriptors came: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, fmt.Errorf("wait for a session: %w", err)
	}
	return fds, nil
}
