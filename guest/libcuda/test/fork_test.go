// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
	"github.com/orion-vgpu/orion/proto/wire"
)

// testFork: what a thread holds that waits for oriond's answer keeps no child of fork waiting, and the child does not keep
// the parent's connection open.
func testFork(t *testing.T, cc, library string) {
	program := ctest.Program(t, cc, "", "testdata/fork.c")
	dir, err := os.MkdirTemp("", "orion-") // not t.TempDir: the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, library)
	cmd.Env = []string{"HOME=" + dir, "ORION_VGPU=1", "ORION_SOCKET=" + l.Addr().String(), "ORION_CONFIG=" + os.DevNull}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &stdout, &stderr, time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	parent := greeted(t, l)
	if _, err := in.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	greeted(t, l).Close() // of the child, which is told no
	parent.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s%s", err, &stdout, &stderr)
	}
	if got, want := stdout.String(), "sockets 0, cuInit 802\nthe child has ended\n"; got != want {
		t.Errorf("the program prints %q, want %q", got, want)
	}
}

// greeted accepts a program, and returns once its hello is here.
func greeted(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	if err := l.(*net.UnixListener).SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.ReadFull(c, make([]byte, wire.HelloSize)); err != nil {
		t.Fatal(err)
	}
	return c
}
