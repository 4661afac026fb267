// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// programTime bounds one program. The longest take about 2 s on a software GPU
// with a machine of its own.
const programTime = time.Minute

// TestPrograms runs every program, as built by every tool chain at hand and in
// every linkage, as a process of its own. By default they run on vGPUs of a pool
// that the test starts, with software GPUs. How many run at once is go test's
// -parallel, by default one per core. Two variables choose what is run:
//
//	ORION_TEST_CUDA   tool chains, by version or "system" (default: those fetched,
//	                  of which all but the newest build some programs only)
//	ORION_TEST_ENV    assignments, separated by spaces, that lead a program to
//	                  another GPU; "native" for the GPU of this machine
func TestPrograms(t *testing.T) {
	programs, err := Programs("programs")
	if err != nil {
		t.Fatal(err)
	}
	versions := toolChains(t)
	g := findGPU(t)
	for i, version := range versions {
		t.Run("cuda"+version, func(t *testing.T) {
			short := i < len(versions)-1 && os.Getenv("ORION_TEST_CUDA") == ""
			out := build(t, version, short)
			for _, p := range programs {
				if short && !slices.Contains(telling, p.Name) {
					continue
				}
				for _, linkage := range p.Linkages() {
					t.Run(linkage+"/"+p.Name, func(t *testing.T) {
						t.Parallel()
						if reason := lacking[p.Name]; reason != "" && g.soft {
							t.Skip("software GPU: " + reason)
						}
						if g.most > 0 && p.GPUs > g.most {
							t.Skipf("needs %d GPUs, ORION_TEST_GPUS says %d", p.GPUs, g.most)
						}
						runProgram(t, p, out, linkage, g.env)
					})
				}
			}
		})
	}
}

// toolChains gives the versions to build with.
func toolChains(t *testing.T) []string {
	t.Helper()
	if chosen := strings.Fields(os.Getenv("ORION_TEST_CUDA")); len(chosen) > 0 {
		return chosen
	}
	dir := output(t, "./toolchain", "dir")
	var fetched []string
	for _, version := range strings.Fields(output(t, "./toolchain", "list")) {
		if _, err := os.Stat(filepath.Join(dir, version, "nvcc")); err == nil {
			fetched = append(fetched, version)
		}
	}
	if len(fetched) == 0 {
		t.Skipf("no CUDA tool chain in %s: run tests/cuda/toolchain", dir)
	}
	return fetched
}

// telling are the programs that say most: those that copy in all the ways that there are, use pinned, mapped and managed
// memory, graphs, host functions, modules, several threads, or end in an error.
var telling = []string{"allocations", "async_alloc", "bfs", "concurrent_streams", "cooperative_groups", "driver_contexts", "driver_copy_batch", "driver_graph", "driver_ipc",
	"driver_jit_log", "driver_launch", "driver_linker", "driver_memcpy", "driver_memset", "driver_pointers", "driver_streams", "driver_upload_fault", "driver_user_objects",
	"errors_memory", "events", "fork_before", "free_in_stream", "globals", "graph_capture", "graph_explicit", "graph_update", "host_callbacks",
	"host_register", "host_register_threads", "illegal_address", "interop", "kernel_assert", "kernel_printf", "kernel_printf_waits", "legacy_stream", "life", "managed_advice", "managed_list", "managed_variables", "matmul",
	"memcpy_2d", "memcpy_3d", "memcpy_kinds", "memset", "multi_gpu", "peer_copy", "per_thread_stream", "pinned_memory", "pinned_order",
	"pointer_attributes", "pthreads", "staging_beside", "stream_wait_event", "streams", "texture_references", "thrust_algorithms"}

// build brings the programs of one tool chain up to date, all or those above, and gives their folder.
func build(t *testing.T, chain string, short bool) string {
	t.Helper()
	if short {
		return output(t, "env", "PROGRAMS="+strings.Join(telling, " "), "./build", chain)
	}
	return output(t, "./build", chain)
}

// output runs a script of this folder and gives what it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(stdout.String())
}

// runProgram runs one program and checks its exit status and output.
func runProgram(t *testing.T, p Program, out, linkage string, env []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTime)
	defer cancel()

	command := p.Command(out, linkage)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(slices.Clone(env), fmt.Sprintf("ORION_VGPU=%d", p.GPUs))
	cmd.Env = append(cmd.Env, p.Env...)
	// Some programs fork: end the whole group, and do not wait for ever on a
	// descriptor that a child kept.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second

	err := cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatalf("did not end within %v\nstdout: %s\nstderr: %s", programTime, &stdout, &stderr)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("start: %v", err)
	}
	const skipped = 77
	switch code := cmd.ProcessState.ExitCode(); {
	case code == skipped && p.Exit != skipped:
		t.Skip(strings.TrimSpace(stdout.String()))
	case code != p.Exit:
		t.Fatalf("%v, want exit status %d\nstdout: %s\nstderr: %s", cmd.ProcessState, p.Exit, &stdout, &stderr)
	}
	if p.Stdout == "" {
		return
	}
	want, err := os.ReadFile(p.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stdout.Bytes(), want) {
		t.Fatalf("standard output differs from %s; got:\n%s", p.Stdout, &stdout)
	}
}
