// SPDX-License-Identifier: Apache-2.0

// Package system tells facts of a machine: its files, its users, its processes. A System can be one that a test has
// made of a folder.
package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read of a file.
const maxFile = 1 << 20

// System is a machine. It may be used by several goroutines.
type System struct {
	Root   string                           // where its files are; empty: this machine
	Lookup func(name string) (string, bool) // the environment of programs
	User   User                             // who runs programs
	Run    func(context.Context, string, ...string) (string, error)
}

// Here is this machine, and the user who asks: who called sudo, if somebody did.
func Here() *System {
	s := &System{Lookup: os.LookupEnv, Run: run}
	s.User = s.whoAsks()
	return s
}

// Path is where a file of the machine is.
func (s *System) Path(path string) string { return s.Root + path }

// Read reads a file, the beginning of a very long one.
func (s *System) Read(path string) ([]byte, error) {
	f, err := os.Open(s.Path(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// Text reads a file without the space around its text; empty where it cannot be read.
func (s *System) Text(path string) string {
	b, _ := s.Read(path)
	return strings.TrimSpace(string(b))
}

// Exists says whether there is such a file.
func (s *System) Exists(path string) bool {
	_, err := os.Lstat(s.Path(path))
	return err == nil
}

// Glob lists files that match a pattern, in order.
func (s *System) Glob(pattern string) []string {
	found, _ := filepath.Glob(s.Path(pattern))
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], s.Root)
	}
	sort.Strings(found)
	return found
}

// Env returns a variable of programs' environment, empty where it is not set.
func (s *System) Env(name string) string {
	v, _ := s.Lookup(name)
	return v
}

// Access is what to do with a file.
type Access uint32

// As in a mode's last digit; they can be added.
const (
	Read  Access = 4
	Write Access = 2
	Enter Access = 1 // or execute
)

// Allowed returns nil if the user may use a file so, else fs.ErrPermission or another error of the file's.
func (s *System) Allowed(path string, a Access) error {
	if s.User.self {
		err := unix.Faccessat(unix.AT_FDCWD, s.Path(path), uint32(a), unix.AT_EACCESS)
		if errors.Is(err, unix.EACCES) {
			return fs.ErrPermission
		}
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(s.Path(path), &st); err != nil {
		return err
	}
	if s.User.may(&st, a) {
		return nil
	}
	return fs.ErrPermission
}

// Group returns the name of the group that owns a file; its number where it has no name.
func (s *System) Group(path string) string {
	var st unix.Stat_t
	if unix.Stat(s.Path(path), &st) != nil {
		return ""
	}
	for name, g := range s.groups() {
		if g.gid == st.Gid {
			return name
		}
	}
	return fmt.Sprint(st.Gid)
}

// Mode returns the permissions of a file, of which no bit is set where there is none.
func (s *System) Mode(path string) fs.FileMode {
	info, err := os.Stat(s.Path(path))
	if err != nil {
		return 0
	}
	return info.Mode().Perm()
}

// run runs a program of this machine, without the environment's language, for 5 seconds at most.
func run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
