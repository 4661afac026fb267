// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/worker"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                       "unknown",
		"python3.11":             "python3.11",
		"/usr/bin/python3":       "python3",
		"../../etc/passwd":       "passwd",
		"..":                     "unknown",
		"/":                      "unknown",
		"-rf":                    "rf",
		"a b\nc":                 "a_b_c",
		"größe":                  "gr__e",
		strings.Repeat("x", 200): strings.Repeat("x", 40),
	} {
		if got := fileName(in); got != want {
			t.Errorf("fileName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPruneLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("2026-%05d.log", i)) }
	for i := range keepLogs + 3 {
		if err := os.WriteFile(name(i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "0-other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pruneLogs(dir, func(path string) bool { return path == name(1) }); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{name(0): false, name(1): true, name(2): false, name(3): true, other: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(path), err == nil, want)
		}
	}
}

func TestWorkerEnv(t *testing.T) {
	t.Parallel()
	env := []string{"PATH=/bin", "HOME=/root", "ORION_VGPU=1", "LD_PRELOAD=x", "CUDA_VISIBLE_DEVICES=0",
		"LD_LIBRARY_PATH=/usr/lib/orion:/usr/local/cuda/lib64:/usr/lib/orion/"}
	conf := worker.Config{Backend: gpu.BackendCUDA, VGPUs: []worker.VGPU{{UUID: "GPU-b"}, {UUID: "GPU-a"}}}
	want := []string{"PATH=/bin", "LD_LIBRARY_PATH=/usr/local/cuda/lib64", "CUDA_VISIBLE_DEVICES=GPU-b,GPU-a"}
	if got := workerEnv(env, conf); !reflect.DeepEqual(got, want) {
		t.Errorf("workerEnv = %q, want %q", got, want)
	}
	conf.Backend = gpu.BackendSoftGPU
	if got := workerEnv([]string{"LD_LIBRARY_PATH=/usr/lib/orion"}, conf); len(got) != 0 {
		t.Errorf("workerEnv = %q, want nothing", got)
	}
}
