// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

// A client that is killed in the middle of its work has nothing left a second later.
func TestClientKilled(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	check := f.bystander(t)
	for _, args := range [][]string{{"loop"}, {"flood"}, {"loop", "2000000000"}, {"flood", "2000000000"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			p, s := f.run(t, args...)
			time.Sleep(300 * time.Millisecond) // into the middle of a kernel, and of a full ring
			p.Kill()
			t.Logf("all gone after %v", f.gone(t, s, 1, time.Second))
		})
	}
	check()
}

// A program that has begun to end may still wait for a thread that waits for a host function.
func TestClientEndsWaiting(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	if r := f.Run(t, f.program, "exit", "200000"); r.Code != 0 || r.Stdout != "ok\n" {
		t.Errorf("the program ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// A kernel's fault is an error of its own program, and of no other.
func TestKernelFault(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	check := f.bystander(t)
	r := f.Run(t, f.program, "wild")
	if r.Code != 3 || !strings.Contains(r.Stdout, "CUDA_ERROR_ILLEGAL_ADDRESS") {
		t.Errorf("the program ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	check()
}

// Without a free vGPU the second program learns why, at once, and the first goes on.
func TestNoFreeVGPU(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{GPUs: 1, MemoryMiB: 512, VGPUCount: 2})
	check := f.bystander(t)
	for _, c := range []struct {
		name string
		env  []string
		want []string
	}{
		{"memory", []string{"ORION_GMEM=384"}, []string{"CUDA_ERROR_OUT_OF_MEMORY", "384 MiB asked", "256 MiB"}},
		{"more than a GPU has", []string{"ORION_GMEM=4096"}, []string{"4096 MiB asked"}},
		{"ratio", []string{"ORION_RATIO=80"}, []string{"CUDA_ERROR_NO_DEVICE", "80 %"}},
		{"GPUs", []string{"ORION_VGPU=2"}, []string{"CUDA_ERROR_NO_DEVICE", "2 vGPUs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := f.RunEnv(t, f.Env(c.env...), f.program)
			refused(t, r, c.want...)
		})
	}
	other, _ := f.run(t, "loop")
	r := f.Run(t, f.program)
	refused(t, r, "CUDA_ERROR_NO_DEVICE")
	other.Kill()
	f.WaitLeases(t, 1, time.Second)
	if r := f.Run(t, f.program); r.Code != 0 {
		t.Errorf("the freed vGPU is not granted again: %s", r.Stderr)
	}
	check()
}

// refused checks that a program could not start, soon, and that its standard error says all of want.
func refused(t *testing.T, r chain.Result, want ...string) {
	t.Helper()
	if r.Code != 1 {
		t.Errorf("the program ended with %d, want 1\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r.Took > prompt {
		t.Errorf("the refusal took %v", r.Took)
	}
	for _, w := range want {
		if !strings.Contains(r.Stderr, w) {
			t.Errorf("standard error lacks %q:\n%s", w, r.Stderr)
		}
	}
}
