// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/worker"
	"github.com/orion-vgpu/orion/proto/wire"
)

// The test binary is also the worker, a client process, and an oriond process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "test-worker":
			testWorker()
		case "test-worker-that-fails":
			os.Exit(3)
		case "test-client":
			testClient(os.Args[2], os.Args[3])
		case "test-oriond":
			testOriond(os.Args[2])
		}
	}
	// Orphans of killed test-orionds become our children, so that none stays behind as a zombie.
	must(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
	must(process.KeepDescriptors())
	os.Exit(m.Run())
}

// testWorker speaks the worker's part of the handshake, then does what its program's name says.
func testWorker() {
	var conf worker.Config
	must(json.Unmarshal([]byte(os.Getenv(worker.ConfigEnv)), &conf))
	if conf.Standby {
		var err error
		if conf, err = worker.Await(); errors.Is(err, io.EOF) {
			syscall.Exit(0)
		}
		must(err)
	}
	if conf.Program == "dies" {
		fmt.Fprintln(os.Stderr, "worker dies as told")
		os.Exit(3)
	}
	report := selfReport()
	file := os.NewFile(worker.SocketFD, "socket")
	c, err := net.FileConn(file)
	must(err)
	file.Close()
	w := wire.Welcome{
		Version: wire.Version, Size: conf.RegionSize, Base: conf.RegionBase, Offset: conf.RegionOffset, Devices: uint32(len(conf.VGPUs)),
		Session: conf.Session, Release: conf.Release, Message: report,
	}
	b, err := w.MarshalBinary()
	must(err)
	if conf.Carrier == wire.CarrierMemory {
		_, _, err = c.(*net.UnixConn).WriteMsgUnix(b, unix.UnixRights(worker.RegionFD), nil)
	} else {
		_, err = c.Write(b)
	}
	must(err)
	if conf.Program == "stuck" {
		select {}
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		unix.Kill(os.Getpid(), unix.SIGSEGV) // any byte: crash
		select {}
	}
	syscall.Exit(0) // os.Exit takes a second under the race detector
}

// selfReport says what the worker's process is like.
func selfReport() string {
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	must(err)
	sid, err := unix.Getsid(0)
	must(err)
	cwd, err := os.Getwd()
	must(err)
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		env = append(env, name)
	}
	sort.Strings(env)
	entries, err := os.ReadDir("/proc/self/fd")
	must(err)
	var fds []string
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.Contains(to, "event") || strings.HasSuffix(to, "/fd") || strings.HasPrefix(to, "/sys/") {
			continue // the runtime's own
		}
		fds = append(fds, e.Name())
	}
	return fmt.Sprintf("nnp=%d leader=%v cwd=%s uid=%d env=%s fds=%s",
		nnp, sid == os.Getpid(), cwd, os.Getuid(), strings.Join(env, ","), strings.Join(fds, ","))
}

// testClient opens a session, says so on its standard output, and waits to be killed.
func testClient(socket, program string) {
	c, err := dial(socket, hello(program))
	must(err)
	fmt.Println(c.welcome.Status, c.welcome.Session)
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// testOriond is an oriond that writes grants and releases to a file.
func testOriond(dir string) {
	pool, err := newFilePool(dir)
	must(err)
	s, err := Open(testOptions(dir, pool, slog.New(slog.NewTextHandler(os.Stderr, nil))))
	must(err)
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	fmt.Println("ready")
	must(s.Serve(ctx))
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "test process:", err)
		os.Exit(99)
	}
}

// eventually is as long as a test waits for what takes milliseconds on an idle machine.
const eventually = 30 * time.Second
