// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

// TestLinux310 runs the client with the system calls of Linux 3.10: its tools, and a program that reaches its GPU by
// the socket of this host's oriond, and by orion-relay, which has no memfd then.
func TestLinux310(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers of system calls are those of x86-64")
	}
	old := chain.CC(t, "testdata/linux310.c")
	program := chain.CC(t, filepath.Join(chain.Root(), "tests", "faults", "testdata", "client.c"))
	c := chain.Start(t, chain.Options{})
	bin := filepath.Join(chain.Build(t), "bin")

	if r := c.Run(t, old, "/bin/true"); r.Code == 77 {
		t.Skipf("system calls cannot be filtered here: %s", r.Stderr)
	}
	want := func(env []string, words string, args ...string) {
		t.Helper()
		r := c.RunEnv(t, env, old, args...)
		if r.Code != 0 || !strings.Contains(r.Stdout, words) {
			t.Errorf("%v: exit status %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
		}
	}
	want(c.Env(), "node0", filepath.Join(bin, "orion-smi"))
	want(c.Env(), "programs reach vGPUs by shared memory of this host", filepath.Join(bin, "orion-check"), "runtime", "client")
	want(c.Env(), "ok", program, "once")

	conf, socket := filepath.Join(c.Dir, "old.conf"), filepath.Join(c.Dir, "old.sock")
	text := fmt.Sprintf("[log]\nlog_to_file = false\n[client]\nenable_net = true\nsocket = %s/none.sock\nrelay_socket = %s\n", c.Dir, socket)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := c.Env("ORION_SOCKET=", "ORION_CONFIG="+conf)
	c.Go(t, env, old, filepath.Join(bin, "orion-relay"), "run")
	chain.Within(t, "orion-relay listens", 30*time.Second, func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	want(env, "programs reach vGPUs by orion-relay", filepath.Join(bin, "orion-check"), "runtime", "client")
	want(env, "ok", program, "once")
	c.WaitLeases(t, 0, 5*time.Second)
}
