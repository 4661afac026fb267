// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// maxSocketPath is what fits into a sockaddr_un with its terminating NUL.
const maxSocketPath = 107

// lock makes this process the only owner of a socket, its records included. The lock ends with the process.
func lock(socket string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return nil, fmt.Errorf("create folder of socket: %w", withHint(err, "socket in section [server]"))
	}
	path := socket + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", withHint(err, "socket in section [server]"))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: another oriond serves %s: stop it, or give this one another socket", path, socket)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// withHint says what to do about a want of permission.
func withHint(err error, key string) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run as root, or choose a folder of your own by %s", err, key)
	}
	return err
}

// listen binds the socket, in place of one that an earlier oriond left behind. The caller holds the lock.
func listen(socket string, mode os.FileMode) (*net.UnixListener, error) {
	if len(socket) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path has %d bytes, a socket's may have %d", socket, len(socket), maxSocketPath)
	}
	if err := clearStale(socket); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", socket, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", socket, err)
	}
	if err := os.Chmod(socket, mode); err != nil {
		l.Close()
		return nil, fmt.Errorf("set mode of socket: %w", err)
	}
	return l, nil
}

// clearStale removes a socket on which nobody answers, and nothing else.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is no socket: remove it, or choose another path")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return errors.New("another program answers there: stop it, or choose another path")
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("see whether somebody answers there: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}
