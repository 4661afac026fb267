// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/proto/wire"
)

const (
	testSpec   = 0x5eed
	testRegion = 128 << 20
)

// fakePool grants the vGPUs of two software GPUs and counts what is out.
type fakePool struct {
	mu       sync.Mutex
	next     int
	out      map[string]time.Time
	released map[string]time.Time
	refusal  error
	most     int // leases at one time; 0: any number
	hang     bool
	note     func(event, lease string) // nil, or told of every grant and release
}

func (p *fakePool) Grant(ctx context.Context, r Request) (Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hang {
		p.mu.Unlock()
		<-ctx.Done()
		p.mu.Lock()
		return Lease{}, ctx.Err()
	}
	if p.refusal != nil {
		return Lease{}, p.refusal
	}
	if p.most > 0 && len(p.out) >= p.most {
		return Lease{}, errors.New("every vGPU is taken")
	}
	p.next++
	lease := Lease{ID: fmt.Sprintf("lease-%d-%d", os.Getpid(), p.next)}
	for i := range r.VGPUs {
		lease.VGPUs = append(lease.VGPUs, record.VGPU{GPU: i, UUID: gpu.FormatUUID(gpu.SoftUUID("test", i)), MemoryBytes: 256 << 20, RatioPercent: 25})
	}
	if p.out == nil {
		p.out, p.released = map[string]time.Time{}, map[string]time.Time{}
	}
	p.out[lease.ID] = time.Now()
	if p.note != nil {
		p.note("grant", lease.ID)
	}
	return lease, nil
}

func (p *fakePool) Release(_ context.Context, lease string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.out[lease]; !ok && p.note == nil {
		return fmt.Errorf("release %s: not granted", lease)
	}
	delete(p.out, lease)
	if p.released == nil {
		p.released = map[string]time.Time{}
	}
	p.released[lease] = time.Now()
	if p.note != nil {
		p.note("release", lease)
	}
	return nil
}

func (p *fakePool) leases() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.out)
}

// newFilePool is a pool whose events another process can read.
func newFilePool(dir string) (*fakePool, error) {
	f, err := os.OpenFile(filepath.Join(dir, "pool"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &fakePool{note: func(event, lease string) { fmt.Fprintln(f, event, lease) }}, nil
}

func testOptions(dir string, pool Pool, log *slog.Logger) Options {
	gpus, err := gpu.NewSoft("test", 2, 1<<30)
	if err != nil {
		panic(err)
	}
	return Options{
		Socket: filepath.Join(dir, "oriond.sock"), LogDir: filepath.Join(dir, "log"),
		Node: "test", Release: "1.2.3", Spec: testSpec, RegionBytes: testRegion,
		WorkerArgs: []string{"test-worker"}, Pool: pool, GPUs: gpus, Logger: log,
	}
}

// server is a Server under test.
type server struct {
	*Server
	pool *fakePool
	opt  Options
	log  *logBuffer
	stop func() // ends Serve, and waits for that
}

func serve(t *testing.T, change ...func(*Options)) *server {
	t.Helper()
	return serveIn(t, t.TempDir(), &fakePool{}, change...)
}

func serveIn(t *testing.T, dir string, pool *fakePool, change ...func(*Options)) *server {
	t.Helper()
	buf := &logBuffer{}
	opt := testOptions(dir, pool, slog.New(slog.NewTextHandler(buf, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, f := range change {
		f(&opt)
	}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(eventually):
			t.Error("Serve goes on after its context has ended")
		}
	})
	t.Cleanup(func() {
		stop()
		killRecorded(record.Dir(opt.Socket))
		if t.Failed() {
			t.Logf("server log:\n%s", buf)
		}
	})
	return &server{s, pool, opt, buf, stop}
}

// killRecorded ends workers that a test leaves running.
func killRecorded(dir string) {
	found, _ := record.Load(dir)
	for _, r := range found {
		unix.Kill(r.Worker.PID, unix.SIGKILL)
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// client is a session as its client sees it.
type client struct {
	conn    *net.UnixConn
	welcome wire.Welcome
	region  *os.File // nil after a refusal
}

func hello(program string) wire.Hello {
	return wire.Hello{Version: wire.Version, Spec: testSpec, PID: uint32(os.Getpid()), VGPUs: 1, Program: program, Host: "host", Release: "1.2.3"}
}

// dial shakes hands.
func dial(socket string, h wire.Hello) (*client, error) {
	b, err := h.MarshalBinary()
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn}
	if _, err := conn.Write(b); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err := c.receive(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// receive reads the welcome and the region that comes with it.
func (c *client) receive() error {
	c.conn.SetReadDeadline(time.Now().Add(2 * eventually))
	b, oob := make([]byte, wire.HelloSize), make([]byte, 64)
	n, oobn, _, _, err := c.conn.ReadMsgUnix(b, oob)
	if err != nil {
		return err
	}
	if n == 0 {
		return io.EOF
	}
	if err := c.welcome.UnmarshalBinary(b[:n]); err != nil {
		return err
	}
	if oobn == 0 {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	c.region = os.NewFile(uintptr(fds[0]), "region")
	return nil
}

func (c *client) close() {
	c.conn.Close()
	if c.region != nil {
		c.region.Close()
	}
}

// connect is dial for a session that must come about.
func (s *server) connect(t *testing.T, program string) *client {
	t.Helper()
	c, err := dial(s.opt.Socket, hello(program))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	if c.welcome.Status != 0 || c.region == nil {
		t.Fatalf("welcome = %+v, region %v", c.welcome, c.region)
	}
	return c
}

// waitFor polls for what has no event of its own.
func waitFor(t *testing.T, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

// workerOf waits for a session's record and returns its worker's PID.
func (s *server) workerOf(t *testing.T, session string) int {
	t.Helper()
	pid := 0
	waitFor(t, "record of session "+session, eventually, func() bool {
		for _, r := range s.Sessions() {
			if r.ID == session {
				pid = r.Worker.PID
			}
		}
		return pid != 0
	})
	return pid
}

// running says whether a process runs; a zombie does not.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func openFDs(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
