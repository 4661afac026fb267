// SPDX-License-Identifier: Apache-2.0

package gpu

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

// TestRun packs what is needed, and runs steps of it elsewhere, without Go.
func TestRun(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/nvidiactl"); err == nil {
		t.Skip("there is an NVIDIA driver here: prepare and run it for what it is made for")
	}
	for _, program := range []string{"strip", "xz", "setpriv", "python3"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s: %v", program, err)
		}
	}
	dir := t.TempDir()
	prepare := exec.CommandContext(t.Context(), "./prepare", dir)
	prepare.Env = append(os.Environ(), "BUILD="+chain.Build(t))
	if text, err := prepare.CombinedOutput(); err != nil {
		t.Fatalf("prepare: %v\n%s", err, text)
	}
	t.Run("programs", func(t *testing.T) {
		t.Parallel()
		version, cache := toolChain(t)
		env := []string{"ORION_TEST_CUDA=" + version, "ORION_CACHE=" + cache, "PROGRAMS=bfs multi_gpu", "WORKLOADS=driver", "ROUNDS=1"}
		// As if they had run natively before: multi_gpu is skipped, since this step has programs of one GPU.
		native := "native pass static/bfs 0.1s\nnative fail shared/bfs 0.1s\nnative pass static/multi_gpu 0.1s\nnative skip shared/multi_gpu 0.1s\n"
		r := begin(t, dir, native, env, "programs-native", "programs", "frameworks")
		r.end(t, 1)
		r.expect(t, "summary.txt", "programs-native ", "skipped: no NVIDIA driver", "programs ", "FAILED: 2 pass, 0 fail, 2 skip",
			"programs.log\n    worse than natively: static/multi_gpu: skip\nframeworks ", "ok")
		r.expect(t, "programs.txt", "vGPU pass static/bfs ")
		r.expect(t, "programs.txt", "vGPU pass shared/bfs ")
		r.expect(t, "measurements.txt", "nothing is measured natively", "driver ", "first_result_s ")
		r.expect(t, "measurements.jsonl", `"workload": "driver", "env": "vGPU"`, `"check": 1999001`)
		logs, err := exec.CommandContext(t.Context(), "tar", "-tJf", filepath.Join(r.out, "logs.tar.xz")).CombinedOutput()
		if err != nil || !strings.Contains(string(logs), "-bfs.log") {
			t.Errorf("logs: %v\n%s", err, logs)
		}
	})
	t.Run("limit", func(t *testing.T) {
		t.Parallel()
		r := begin(t, dir, "", hang(t), "bench:1", "programs-native")
		r.end(t, 1)
		r.expect(t, "summary.txt", "bench ", "CUT at its limit", "programs-native ", "skipped: ")
	})
	t.Run("signal", func(t *testing.T) {
		t.Parallel()
		env := hang(t)
		r := begin(t, dir, "", env, "programs-native", "bench", "starts")
		chain.Within(t, "the step hangs", 30*time.Second, func() bool { return len(hung(t, env)) > 0 })
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		r.end(t, 143)
		r.expect(t, "summary.txt", "programs-native ", "skipped: ", "bench ", "CUT by a signal", "starts ", "NOT RUN")
	})
}

// toolChain gives the version of one that is fetched, and a cache of the test's own with it: others' programs run while
// this one compiles.
func toolChain(t *testing.T) (version, cache string) {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "../cuda/toolchain", "dir").Output()
	if err != nil {
		t.Fatal(err)
	}
	fetched := strings.TrimSpace(string(list))
	compilers, _ := filepath.Glob(filepath.Join(fetched, "*", "nvcc"))
	if len(compilers) == 0 {
		t.Skipf("no CUDA tool chain in %s: run tests/cuda/toolchain", fetched)
	}
	cache = t.TempDir()
	if err := os.Symlink(fetched, filepath.Join(cache, "cuda")); err != nil {
		t.Fatal(err)
	}
	return filepath.Base(filepath.Dir(compilers[len(compilers)-1])), cache
}

// hang gives an environment in which the step bench never ends: its compiler ignores SIGTERM, and so does a process of
// that in a session of its own.
func hang(t *testing.T) []string {
	t.Helper()
	compiler := filepath.Join(t.TempDir(), "hang")
	text := "#!/bin/bash\ntrap '' TERM\n[ $# -eq 0 ] || setsid \"$0\" &\nfor i in {1..300}; do sleep 1; done\n"
	if err := os.WriteFile(compiler, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"CC=" + compiler}
	t.Cleanup(func() {
		if left := hung(t, env); len(left) > 0 {
			t.Errorf("processes are left: %v", left)
		}
	})
	return env
}

// hung lists the processes of hang's compiler.
func hung(t *testing.T, env []string) (processes []string) {
	t.Helper()
	_, compiler, _ := strings.Cut(env[0], "=")
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		// One that ends meanwhile has no file.
		if line, _ := os.ReadFile(file); bytes.HasPrefix(line, []byte("/bin/bash\x00"+compiler+"\x00")) {
			processes = append(processes, file)
		}
	}
	return processes
}

// running is a run of the script.
type running struct {
	cmd    *exec.Cmd
	out    string
	output bytes.Buffer
}

// begin starts run on software GPUs, with a list of programs that have run before. A go that fails is first in its PATH.
func begin(t *testing.T, dir, programs string, env []string, steps ...string) *running {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\necho 'go was called' >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	r := &running{out: t.TempDir()}
	if err := os.WriteFile(filepath.Join(r.out, "programs.txt"), []byte(programs), 0o600); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.CommandContext(ctx, filepath.Join(dir, "run"), append([]string{dir, r.out}, steps...)...)
	r.cmd.Dir = "/"
	r.cmd.Env = append(append(os.Environ(), "GPUS=softgpu", "AT_ONCE=2", "PATH="+bin+":"+os.Getenv("PATH")), env...)
	r.cmd.Stdout, r.cmd.Stderr = &r.output, &r.output
	r.cmd.Cancel = func() error { return r.cmd.Process.Signal(syscall.SIGTERM) }
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) end(t *testing.T, status int) {
	t.Helper()
	r.cmd.Wait() // its error is the status
	if got := r.cmd.ProcessState.ExitCode(); got != status {
		log, _ := os.ReadFile(filepath.Join(r.out, "programs.log"))
		t.Fatalf("exit status %d, want %d\n%s%s", got, status, &r.output, log)
	}
	entries, err := os.ReadDir(r.out)
	if err != nil || len(entries) > 8 {
		t.Errorf("results: %v, %v", entries, err)
	}
}

// expect looks for words in a file of results, in this order.
func (r *running) expect(t *testing.T, file string, words ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.out, file))
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	for _, word := range words {
		_, after, found := strings.Cut(rest, word)
		if !found {
			t.Fatalf("%s has no %q where it is expected:\n%s", file, word, text)
		}
		rest = after
	}
}
