// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

// A program that asks NVML and uses CUDA sees itself, and its memory within the quota.
func TestPynvml(t *testing.T) {
	interpreter, path := python(t)
	c := chain.Start(t, chain.Options{GPUs: 2})
	r := c.RunEnv(t, c.Env("ORION_VGPU=2", "ORION_GMEM=384", "PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1"),
		interpreter, "testdata/ask.py")
	if r.Code != 0 || strings.TrimSpace(r.Stdout) != "right" {
		t.Errorf("exit status %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// Who has looked at vGPUs by NVML gives them back, and CUDA can be used afterwards: in the same process, and in
// children of one that has not used CUDA.
func TestLeaseOfNVML(t *testing.T) {
	interpreter, path := python(t)
	for mode, vgpus := range map[string]int{"shutdown": 1, "fork": 2} {
		t.Run(mode, func(t *testing.T) {
			c := chain.Start(t, chain.Options{GPUs: 1, VGPUCount: vgpus})
			r := c.RunEnv(t, c.Env("PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1"), interpreter, "testdata/lease.py", mode)
			if r.Code != 0 || strings.TrimSpace(r.Stdout) != "right" {
				t.Errorf("exit status %d\n%s%s", r.Code, r.Stdout, r.Stderr)
			}
			c.WaitLeases(t, 0, 10*time.Second)
		})
	}
}

// CUDA_VISIBLE_DEVICES chooses and orders vGPUs for CUDA, and hides none from NVML.
func TestVisibleDevices(t *testing.T) {
	interpreter, path := python(t)
	c := chain.Start(t, chain.Options{GPUs: 3})
	for _, d := range []struct{ list, want, says string }{
		{"", "100 [] 3", ""},
		{"-1", "100 [] 3", ""},
		{"0", "0 [0] 3", ""},
		{"2", "0 [2] 3", ""},
		{"2,0", "0 [2, 0] 3", ""},
		{"1,2,0", "0 [1, 2, 0] 3", ""},
		{"3", "100 [] 3", "names none of this program's 3 vGPU(s)"},
		{"GPU-1", "0 [0, 1, 2] 3", "has UUIDs"},
	} {
		t.Run("list="+d.list, func(t *testing.T) {
			r := c.RunEnv(t, c.Env("ORION_VGPU=3", "PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1", "CUDA_VISIBLE_DEVICES="+d.list),
				interpreter, "testdata/visible.py")
			if r.Code != 0 || strings.TrimSpace(r.Stdout) != d.want || !strings.Contains(r.Stderr, d.says) {
				t.Errorf("exit status %d, want %q and %q\n%s%s", r.Code, d.want, d.says, r.Stdout, r.Stderr)
			}
		})
	}
}
