// SPDX-License-Identifier: Apache-2.0

package session

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSocketOccupied(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    string // in the error; "" for none
	}{
		{"absent", func(*testing.T, string) {}, ""},
		{"stale", func(t *testing.T, path string) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			l.Close()
		}, ""},
		{"answered by another program", func(t *testing.T, path string) {
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, "another program answers"},
		{"a socket of another kind", func(t *testing.T, path string) {
			l, err := net.ListenPacket("unixgram", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
		}, "whether somebody answers"},
		{"a file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "no socket"},
		{"another oriond", func(t *testing.T, path string) {
			serveIn(t, filepath.Dir(path), &fakePool{})
		}, "another oriond"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			opt := testOptions(dir, &fakePool{}, slog.New(slog.DiscardHandler))
			c.prepare(t, opt.Socket)
			s, err := Open(opt)
			if err == nil {
				defer s.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Open = %v, want an error with %q", err, c.want)
			}
			if c.want != "" {
				if _, err := os.Lstat(opt.Socket); err != nil {
					t.Errorf("what was there is gone: %v", err)
				}
			}
		})
	}
}

func TestSocketPathAndMode(t *testing.T) {
	t.Parallel()
	opt := testOptions(t.TempDir(), &fakePool{}, slog.New(slog.DiscardHandler))
	opt.Socket = filepath.Join(filepath.Dir(opt.Socket), "new", "folder", "o.sock")
	opt.SocketMode = 0o660
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info, err := os.Stat(opt.Socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket: %v, %v; want mode 0660", info, err)
	}
	opt.Socket = filepath.Join(t.TempDir(), strings.Repeat("x", 120))
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), "107") {
		t.Errorf("Open with a long path = %v, want an error with the limit", err)
	}
}

func TestNoListen(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *Options) { o.NoListen = true })
	if _, err := os.Lstat(s.opt.Socket); !os.IsNotExist(err) {
		t.Errorf("there is a socket: %v", err)
	}
}

// The next oriond may start as soon as one has stopped: workers must not hold the lock.
func TestWorkersDoNotHoldTheLock(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.connect(t, "p")
	s.workerOf(t, c.welcome.Session)
	s.stop()
	f, err := lock(s.opt.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Error(err)
	}
}
