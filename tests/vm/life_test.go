// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/vm/agent"
)

// background runs a program that computes for so many seconds, and returns when it is running.
func (g guest) background(t *testing.T, seconds string) *agent.Process {
	t.Helper()
	return g.begin(t, "sh", "-c", "sleep "+seconds+" | "+client+" check")
}

// finishes waits for a program of background, which must have computed rightly to its end.
func (g guest) finishes(t *testing.T, p *agent.Process) {
	t.Helper()
	if s := g.end(t, p); s.Code != 0 || !strings.Contains(string(s.Stdout), "ok\n") {
		t.Errorf("the program ended with %d\nstdout: %s\nstderr: %s", s.Code, s.Stdout, s.Stderr)
	}
}

// testBesideHost has programs of guest and host at once.
func testBesideHost(t *testing.T, g *ground, vm guest) {
	p := vm.background(t, "4")
	g.waitLeases(t, 1)
	here := g.pool.Go(t, g.pool.Env("ORION_GMEM=128"), "/bin/sh", "-c", "sleep 2 | "+g.client+" check")
	g.waitLeases(t, 2)
	if code := here.WaitExit(t, time.Minute); code != 0 {
		t.Errorf("the host's program ended with %d\n%s%s", code, here.Out(), here.Err())
	}
	vm.finishes(t, p)
	g.waitFree(t)
}

// testKilled gives the vGPU back when a program in the guest gets SIGKILL.
func testKilled(t *testing.T, g *ground, vm guest) {
	p := vm.begin(t, client, "flood")
	g.waitLeases(t, 1)
	if err := p.Signal(t.Context(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Logf("the vGPU is free %v after SIGKILL", g.waitFree(t))
	vm.pass(t, client, "once")
}

// testClock has the guest's clock jump while a program runs.
func testClock(t *testing.T, g *ground, vm guest) {
	p := vm.background(t, "4")
	for _, when := range []string{"2037-01-01 00:00", "2001-01-01 00:00"} {
		vm.ok(t, "date", "-s", when)
		time.Sleep(time.Second)
	}
	vm.finishes(t, p)
	vm.ok(t, "date", "-s", time.Now().UTC().Format("2006-01-02 15:04:05"))
	g.waitFree(t)
}

// testPause has virsh stop the guest for a while.
func testPause(t *testing.T, g *ground, vm guest) {
	p := vm.background(t, "3")
	vm.must(t, "suspend")
	// Longer than a connection between hosts may be silent.
	time.Sleep(25 * time.Second)
	if n := len(g.pool.Pool(t).Leases); n != 1 {
		t.Errorf("a paused guest has %d vGPUs, want 1", n)
	}
	vm.must(t, "resume")
	vm.finishes(t, p)
	g.waitFree(t)
}

// testSave is refused while the device is there, and works without it.
func testSave(t *testing.T, g *ground, vm guest) {
	file := vm.Path("saved")
	if _, err := vm.Virsh(t.Context(), "save", file); err == nil || !strings.Contains(err.Error(), "ivshmem") {
		t.Errorf("virsh save with the device says %v", err)
	}
	if !vm.Running(t.Context()) {
		t.Fatal("the guest does not run after a save that was refused")
	}
	vm.pass(t, client, "once")
	if out, err := g.oriond(t, "vm", "detach", vm.Name); err != nil {
		t.Fatal(out, err)
	}
	if s := vm.command(t, vm.gpu(t, client, "once")); s.Code == 0 {
		t.Error("a program runs in a guest whose device was detached")
	}
	if out, err := g.oriond(t, "vm", "attach", vm.Name); err != nil {
		t.Fatal(out, err)
	}
	vm.grant(t)
	vm.pass(t, client, "once")
}

// testReset has the guest boot anew without a word to its programs.
func testReset(t *testing.T, g *ground, vm guest) {
	vm.begin(t, client, "flood")
	g.waitLeases(t, 1)
	vm.must(t, "reset")
	t.Logf("vGPUs are free %v after virsh reset", g.waitFree(t))
	begin := time.Now()
	vm.connect(t)
	t.Logf("the guest answers after %v", time.Since(begin).Round(10*time.Millisecond))
	// Its system lies in memory, and so did the client.
	vm.install(t)
	vm.pass(t, client, "once")
}

// testDestroy pulls the plug in the middle of a run.
func testDestroy(t *testing.T, g *ground, vm guest) {
	file := g.region(t, vm)
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the region of a guest that runs: %v", err)
	}
	vm.begin(t, client, "flood")
	g.waitLeases(t, 1)
	vm.must(t, "destroy")
	t.Logf("vGPUs are free %v after virsh destroy", g.waitFree(t))
	chain.Within(t, "the region's file is removed", time.Minute, func() bool {
		_, err := os.Stat(file)
		return os.IsNotExist(err)
	})
	vm.boot(t)
	vm.install(t)
	g.waitAttached(t, vm)
	vm.pass(t, client, "once")
}
