// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net"
	"net/rpc"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serve is an agent whose port is a unix socket, with rubbish before the host's first word.
func serve(t *testing.T) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "port")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	server := rpc.NewServer()
	if err := server.Register(&Service{}); err != nil {
		t.Fatal(err)
	}
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		conn.Write([]byte("left by a predecessor" + strings.Repeat("x", 2*lineMost)))
		if Await(conn) == nil {
			server.ServeConn(conn)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := Dial(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestCommands(t *testing.T) {
	t.Parallel()
	c := serve(t)
	for _, test := range []struct {
		script, stdin, stdout, stderr string
		code                          int
	}{
		{"cat; echo no >&2; exit 4", "yes", "yes", "no\n", 4},
		{"kill -9 $$", "", "", "", 137},
		{"echo $WHO", "", "me\n", "", 0},
	} {
		s, err := c.Run(t.Context(), Command{Args: []string{"/bin/sh", "-c", test.script}, Stdin: []byte(test.stdin), Env: []string{"WHO=me"}})
		if err != nil || string(s.Stdout) != test.stdout || string(s.Stderr) != test.stderr || s.Code != test.code || !s.Done {
			t.Errorf("%q ended with %+v, %v", test.script, s, err)
		}
	}
	if _, err := c.Run(t.Context(), Command{Args: []string{"/no/such/program"}}); err == nil {
		t.Error("a program that is not there was run")
	}
	if _, err := c.Run(t.Context(), Command{}); err == nil {
		t.Error("no program was run")
	}
}

func TestSignal(t *testing.T) {
	t.Parallel()
	c := serve(t)
	p, err := c.Start(t.Context(), Command{Args: []string{"/bin/sh", "-c", "sleep 1000 | cat"}})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := p.Poll(t.Context()); err != nil || s.Done {
		t.Errorf("a command that runs is %+v, %v", s, err)
	}
	if err := p.Signal(t.Context(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s, err := p.Wait(t.Context()); err != nil || s.Code != 128+15 {
		t.Errorf("a command after SIGTERM is %+v, %v", s, err)
	}
}

// TestTimeout kills what takes too long, and tells what it has printed.
func TestTimeout(t *testing.T) {
	t.Parallel()
	c := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s, err := c.Run(ctx, Command{Args: []string{"/bin/sh", "-c", "echo begun; sleep 1000"}})
	if err == nil || string(s.Stdout) != "begun\n" {
		t.Errorf("a command without end is %+v, %v", s, err)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	c := serve(t)
	path := filepath.Join(t.TempDir(), "a", "b")
	for _, text := range []string{"first", "and another"} {
		if err := c.Put(t.Context(), path, 0o640, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := c.Get(t.Context(), path); err != nil || string(b) != text {
			t.Errorf("the file holds %q, %v", b, err)
		}
	}
	if _, err := c.Get(t.Context(), path+"/none"); err == nil {
		t.Error("a file that is not there was read")
	}
}
