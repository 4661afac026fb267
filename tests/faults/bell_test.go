// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"path/filepath"
	"testing"

	"github.com/orion-vgpu/orion/tests/chain"
)

// A worker that sleeps beside a command, since it was not rung for or did not hear it, is rung for again: an emulated
// processor that is a machine's only one does not keep the order by which one of both sides sees the other.
func TestBellUnheard(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	deaf := chain.CC(t, filepath.Join("testdata", "deaf.c"), "-shared", "-fPIC")
	for range 2 {
		r := f.RunEnv(t, f.Env("LD_PRELOAD="+deaf), f.program, "once")
		if r.Code != 0 || r.Stdout != "ok\n" {
			t.Fatalf("the client ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
		}
	}
}
