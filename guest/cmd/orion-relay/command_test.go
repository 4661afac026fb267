// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// conf writes a client.conf whose relay listens beside it.
func conf(t *testing.T, more string) (file, socket string) {
	t.Helper()
	dir := t.TempDir()
	socket = filepath.Join(dir, "relay.sock")
	file = filepath.Join(dir, "client.conf")
	text := fmt.Sprintf("[log]\nlog_to_file = false\nlog_to_screen = false\n[client]\nrelay_socket = %s\n%s\n", socket, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, socket
}

// execute runs the command and returns what it prints.
func execute(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.ExecuteContext(ctx)
	return out.String(), err
}

func TestRunAndStatus(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, socket := conf(t, "enable_net = true\nserver_addr = "+l.Addr().String())
	out, err := execute(t.Context(), "status", "--config", file)
	if !errors.Is(err, errNoService) || !strings.Contains(out, "orion-relay does not serve on "+socket) {
		t.Errorf("before it runs: %v\n%s", err, out)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := execute(ctx, "run", "--config", file)
		done <- err
	}()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not listen")
		}
	}
	out, err = execute(t.Context(), "status", "--config", file)
	if err != nil || !strings.Contains(out, "orion-relay serves on "+socket) || !strings.Contains(out, l.Addr().String()+": reachable") {
		t.Errorf("while it runs: %v\n%s", err, out)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestStatusWithoutNetwork(t *testing.T) {
	t.Parallel()
	file, _ := conf(t, "")
	out, err := execute(t.Context(), "status", "--config", file)
	if !errors.Is(err, errNoService) || !strings.Contains(out, "enable_net is false") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A controller that cannot be asked is told of.
func TestStatusWithoutController(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	file, _ := conf(t, "enable_net = true\n[controller]\ncontroller_addr = "+address)
	out, err := execute(t.Context(), "status", "--config", file)
	if !errors.Is(err, errNoService) || !strings.Contains(out, "ask orion-controller at "+address) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWrongConfiguration(t *testing.T) {
	t.Parallel()
	file, _ := conf(t, "enable_net = perhaps")
	for _, what := range []string{"run", "status"} {
		if _, err := execute(t.Context(), what, "--config", file); err == nil || !strings.Contains(err.Error(), "enable_net") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if out, err := execute(t.Context(), "version"); err != nil || !strings.HasPrefix(out, "orion-relay ") {
		t.Errorf("version: %v\n%s", err, out)
	}
}
