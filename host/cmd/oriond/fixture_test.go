// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/controller/api"
	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/controller/store"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/proto/cuda"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
	"github.com/orion-vgpu/orion/proto/wire"
)

const eventually = 15 * time.Second

// controller is a real one, in this process.
type controller struct {
	addr string
	stop func()
}

// startController listens on addr, which may end in :0.
func startController(t *testing.T, addr string) *controller {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p := pool.New(pool.Config{Store: store.NewMemory(), Log: log, Settle: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	running.Go(func() {
		if err := api.Serve(ctx, l, p, log); err != nil {
			t.Errorf("controller: %v", err)
		}
	})
	c := &controller{addr: l.Addr().String(), stop: sync.OnceFunc(func() { cancel(); running.Wait() })}
	t.Cleanup(c.stop)
	return c
}

// list asks the controller what it knows.
func (c *controller) list(t *testing.T) *poolv1.Pool {
	t.Helper()
	client := poolv1connect.NewPoolServiceClient(&http1, "http://"+c.addr)
	ctx, cancel := context.WithTimeout(context.Background(), eventually)
	defer cancel()
	answer, err := client.List(ctx, connect.NewRequest(&poolv1.ListRequest{Protocol: poolv1.Protocol}))
	if err != nil {
		t.Fatal(err)
	}
	return answer.Msg.Pool
}

func (c *controller) waitForNode(t *testing.T) {
	t.Helper()
	waitFor(t, "registration of the node", eventually, func() bool { return len(c.list(t).Nodes) == 1 })
}

func (c *controller) waitForLeases(t *testing.T, n int, limit time.Duration) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%d leases in the pool", n), limit, func() bool { return len(c.list(t).Leases) == n })
}

// node is a folder with the configuration of one oriond.
type node struct {
	conf, socket, dir string
	life              context.Context // of its processes: none outlives its test, whatever goes wrong
}

func newNode(t *testing.T, controllerAddr string, extra ...string) *node {
	t.Helper()
	dir := t.TempDir()
	life, end := context.WithTimeout(context.Background(), 5*time.Minute) // parallel tests wait for each other
	t.Cleanup(end)
	n := &node{life: life, conf: filepath.Join(dir, "server.conf"), socket: filepath.Join(dir, "o.sock"), dir: dir}
	// This machine's own virtual machines are none of a test's business.
	if !slices.ContainsFunc(extra, func(line string) bool { return strings.HasPrefix(line, "libvirt_uri") }) {
		extra = append(extra, "enable_kvm = false")
	}
	text := fmt.Sprintf("[log]\nlog_dir = %s\n[controller]\ncontroller_addr = %s\n[server]\nsocket = %s\ngpus = softgpu\nnode_name = test\nlisten_port = 0\n%s\n",
		filepath.Join(dir, "log"), controllerAddr, n.socket, strings.Join(extra, "\n"))
	if err := os.WriteFile(n.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		found, _ := record.Load(record.Dir(n.socket))
		for _, r := range found {
			unix.Kill(r.Worker.PID, unix.SIGKILL)
		}
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(dir, "log", "server.log"))
			t.Logf("server.log:\n%s", b)
		}
	})
	return n
}

// command prepares an oriond of this node.
func (n *node) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(n.life, "/proc/self/exe", append(args, "--config", n.conf)...)
	cmd.Args[0] = "oriond"
	return cmd
}

// start runs oriond until the test ends, and returns when it answers.
func (n *node) start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := n.command(append([]string{"run", "--region-mib", "128"}, args...)...)
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	waitFor(t, "oriond's socket", eventually, func() bool {
		conn, err := net.Dial("unix", n.socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return cmd
}

// output runs a command of oriond to its end.
func (n *node) output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("oriond %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// stopped ends an oriond as systemd does.
func stopped(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("oriond ended with %v after SIGTERM", err)
	}
}

// connect asks for a session as the client library does.
func (n *node) connect(t *testing.T, change ...func(*wire.Hello)) (wire.Welcome, *net.UnixConn) {
	t.Helper()
	h := wire.Hello{Version: wire.Version, Spec: cuda.SpecHash, VGPUs: 1, GMemMiB: 256, Program: "train", Host: "here"}
	for _, f := range change {
		f(&h)
	}
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: n.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(eventually))
	answer := make([]byte, wire.HelloSize)
	count, err := conn.Read(answer) // drops the region's descriptor
	if err != nil {
		t.Fatal(err)
	}
	var w wire.Welcome
	if err := w.UnmarshalBinary(answer[:count]); err != nil {
		t.Fatal(err)
	}
	return w, conn
}

func waitFor(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}
