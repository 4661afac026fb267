// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience is for how long a lock that is held is tried for: what the last oriond was about to start when it ended has the
// lock, too, until it runs its own program.
const lockPatience = 3 * time.Second

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
	for end := time.Now().Add(lockPatience); ; time.Sleep(50 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(end) {
			break
		}
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		err = fmt.Errorf("another oriond serves %s: stop it, or give this one another socket", socket)
	}
	f.Close()
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// withHint says what to do about a want of permission.
func withHint(err error, key string) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run as root, or choose a folder of your own by %s", err, key)
	}
	return err
}
