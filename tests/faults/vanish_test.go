// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/cuda"
)

// vanishing are real programs that wait for a GPU in all the ways that there are. Not among them are those whose kernels
// wait for another process's, and those that read managed variables, which have no address without a GPU: these would
// hang or fault natively too. The first are those of the short form.
var vanishing = []string{
	"events", "host_callbacks", "graph_capture_pageable", "memcpy_kinds", "pthreads", "driver_ipc", "kernel_printf",
	"async_alloc", "concurrent_streams", "copy_beside", "device_reset", "driver_contexts", "driver_copy_batch", "driver_dlopen",
	"driver_host_pools", "driver_host_pools_shared", "driver_library", "driver_linker", "driver_upload_fault", "driver_user_objects",
	"event_query", "exit_handlers", "fork_after", "fork_before", "graph_capture", "graph_explicit", "graph_memory",
	"host_register", "host_register_threads", "kernel_printf_waits", "late_stream", "life", "managed_concurrent", "managed_list",
	"memcpy_3d", "multi_gpu", "peer_copy", "per_thread_stream", "pinned_memory", "pinned_order", "staging_beside",
	"stream_wait_event", "streams",
}

const (
	shortForm = 7           // programs of vanishing
	noHang    = time.Minute // bounds the life of a program that has lost its worker
)

// vanishRounds is how often each program loses what it depends on: ORION_VANISH_ROUNDS, and then all programs do.
func vanishRounds() (programs []string, rounds int, long bool) {
	if n, err := strconv.Atoi(os.Getenv("ORION_VANISH_ROUNDS")); err == nil && n > 0 {
		return vanishing, n, true
	}
	return vanishing[:shortForm], 2, false
}

// TestPeerVanishes kills a program's worker, its relay, or oriond at a random instant of its run. The program ends by
// itself, with an error or, if it was done or does not care, with the right results, and its vGPU comes back.
//
//	ORION_VANISH_ROUNDS   so many times for each of all programs, not twice for a few
//	ORION_VANISH_SEED     chooses the instants as an earlier run did
func TestPeerVanishes(t *testing.T) {
	t.Parallel()
	names, rounds, long := vanishRounds()
	out := buildPrograms(t, names)
	seed, err := strconv.ParseUint(os.Getenv("ORION_VANISH_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64N(1 << 32)
	}
	t.Logf("ORION_VANISH_SEED=%d", seed)
	for i, how := range []struct {
		name    string
		relayed bool
		early   bool
		lose    func(*vanisher, *testing.T)
	}{
		{"worker", false, false, (*vanisher).killWorkers},
		{"relayed worker", true, false, (*vanisher).killWorkers},
		{"relay", true, true, (*vanisher).killRelay},
		{"oriond", false, true, (*vanisher).killOriond},
	} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			if how.name == "oriond" && !long {
				t.Skip("ORION_VANISH_ROUNDS is not set: a lease that oriond has forgotten takes seconds to come back")
			}
			v := &vanisher{fixture: start(t, chain.Options{MemoryMiB: 4096, VGPUCount: 4}), out: out,
				rng: rand.New(rand.NewPCG(seed, uint64(i))), early: how.early}
			v.env = v.Env("ORION_GMEM=512", "ORION_VGPU=2")
			if how.relayed {
				v.relay = v.StartRelay(t, "relay", v.node.DataAddress(t))
				v.env = v.EnvRelayed(v.relay, "ORION_GMEM=512", "ORION_VGPU=2")
			}
			for _, name := range names {
				t.Run(name, func(t *testing.T) {
					v.rounds(t, name, rounds, how.lose)
				})
			}
			t.Logf("%d runs: %d were over before, %d ended with an error, %d well", v.runs, v.before, v.failed, v.runs-v.before-v.failed)
		})
	}
}

// buildPrograms builds programs of tests/cuda with the newest tool chain at hand, and returns their folder.
func buildPrograms(t *testing.T, names []string) string {
	t.Helper()
	folder := filepath.Join(chain.Root(), "tests", "cuda")
	script := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), filepath.Join(folder, name), args...)
		cmd.Env = append(os.Environ(), "PROGRAMS="+strings.Join(names, " "))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	versions := strings.Fields(script("toolchain", "list"))
	for _, version := range slices.Backward(versions) {
		if _, err := os.Stat(filepath.Join(script("toolchain", "dir"), version, "nvcc")); err == nil {
			return script("build", version)
		}
	}
	t.Skip("no CUDA tool chain: run tests/cuda/toolchain")
	return ""
}

// vanisher runs programs one after the other on a pool of its own, so that all sessions there are a program's.
type vanisher struct {
	*fixture
	out   string
	env   []string
	relay *chain.Relay
	rng   *rand.Rand
	early bool // instants from a program's start on, not from its session's

	runs, before, failed int
}

// rounds runs one program to its end, to know how long it takes, and then as often as asked until it has lost its peer.
func (v *vanisher) rounds(t *testing.T, name string, rounds int, lose func(*vanisher, *testing.T)) {
	t.Helper()
	source, err := filepath.Glob(filepath.Join(chain.Root(), "tests", "cuda", "programs", name+".c*"))
	if err != nil || len(source) != 1 {
		t.Fatalf("there are %d sources of %s", len(source), name)
	}
	program, err := cuda.ReadProgram(source[0])
	if err != nil {
		t.Fatal(err)
	}
	p := v.launch(t, program)
	begin := time.Now()
	code := p.WaitExit(t, noHang)
	takes := time.Since(begin)
	v.ended(t, p, program)
	if code == 77 {
		t.Skip(strings.TrimSpace(p.Out()))
	}
	for range rounds {
		p := v.launch(t, program)
		instant := time.Duration(v.rng.Float64() * float64(takes))
		time.Sleep(instant)
		running := p.Running()
		lose(v, t)
		code := p.WaitExit(t, noHang)
		t.Logf("lost after %v of %v", instant, takes)
		v.ended(t, p, program)
		v.runs++
		switch {
		case !running:
			v.before++
			takes = instant // it took so long on a machine that had more to do
		case code != program.Exit:
			v.failed++
		}
	}
}

// launch starts a program, in whichever linkage, and returns when it has a session or has ended, or at once if early.
func (v *vanisher) launch(t *testing.T, program cuda.Program) *chain.Client {
	t.Helper()
	linkages := program.Linkages()
	command := program.Command(v.out, linkages[v.rng.IntN(len(linkages))])
	p := v.Go(t, append(slices.Clone(v.env), program.Env...), command[0], command[1:]...)
	chain.Within(t, "a session of "+program.Name, noHang, func() bool { return v.early || len(v.node.Sessions(t)) > 0 || !p.Running() })
	return p
}

// ended checks how a program ended, and that nothing is left of it.
func (v *vanisher) ended(t *testing.T, p *chain.Client, program cuda.Program) {
	t.Helper()
	if status := p.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		t.Errorf("%s was ended by a signal: %v", program.Name, status.Signal())
	}
	if p.ProcessState.ExitCode() == program.Exit && program.Stdout != "" {
		want, err := os.ReadFile(program.Stdout)
		if err != nil {
			t.Fatal(err)
		}
		if p.Out() != string(want) {
			t.Errorf("%s ended well, and printed\n%s", program.Name, p.Out())
		}
	}
	chain.Within(t, "no process of "+program.Name+" is left", noHang, func() bool { return syscall.Kill(-p.Process.Pid, 0) != nil })
	chain.Within(t, "no session of "+program.Name+" is left", noHang, func() bool { return len(v.node.Sessions(t)) == 0 && len(v.Pool(t).Leases) == 0 })
}

// killWorkers ends all workers, or one of several.
func (v *vanisher) killWorkers(t *testing.T) {
	t.Helper()
	all := v.node.Sessions(t)
	if len(all) > 1 && v.rng.IntN(2) == 0 {
		i := v.rng.IntN(len(all))
		all = all[i : i+1]
	}
	for _, s := range all {
		if s.Worker.PID != 0 {
			syscall.Kill(s.Worker.PID, syscall.SIGKILL)
		}
	}
}

// killOriond leaves programs that have their session alone; others are told no, and at the worst that its answer does not
// come.
func (v *vanisher) killOriond(t *testing.T) {
	t.Helper()
	v.node.Kill(t)
	v.node.Restart(t)
}

func (v *vanisher) killRelay(t *testing.T) {
	t.Helper()
	v.relay.Kill(t)
	v.relay.Restart(t)
}
