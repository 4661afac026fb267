// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"golang.org/x/sys/unix"
)

// mail is what the client's socket brings: bytes, which only wake, and now and then a file of shared memory that
// the client wants registered. It belongs to the ring goroutine.
type mail struct {
	socket int
	file   int // the newest that came and was not taken, -1 for none
}

func newMail(socket int) *mail { return &mail{socket: socket, file: -1} }

// read takes one message without waiting. It returns 0 bytes and no error when the client has gone.
func (m *mail) read() (int, error) {
	var b [64]byte
	control := make([]byte, unix.CmsgSpace(4*4))
	n, c, _, _, err := unix.Recvmsg(m.socket, b[:], control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	if c == 0 {
		return n, nil
	}
	messages, err := unix.ParseSocketControlMessage(control[:c])
	if err != nil {
		return n, nil
	}
	for _, message := range messages {
		fds, _ := unix.ParseUnixRights(&message)
		for _, fd := range fds {
			m.drop()
			m.file = fd
		}
	}
	return n, nil
}

// take returns the file that came last, -1 for none. The caller closes it.
func (m *mail) take() int {
	for m.file < 0 {
		if n, err := m.read(); n <= 0 || err != nil {
			break
		}
	}
	fd := m.file
	m.file = -1
	return fd
}

func (m *mail) drop() {
	if m.file >= 0 {
		unix.Close(m.file)
		m.file = -1
	}
}
