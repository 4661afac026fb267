// SPDX-License-Identifier: Apache-2.0

package nvml

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tools returns the folder that the script of this name fills.
func tools(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "./tools", "dir").Output()
	if err != nil {
		t.Fatalf("tools dir: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// nvidiaSMIs returns the paths of NVIDIA's nvidia-smi, by the release of the distribution that they are from.
func nvidiaSMIs(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(tools(t), "*", "nvidia-smi"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Skipf("no nvidia-smi in %s: run tests/nvml/tools on Debian", tools(t))
	}
	found := map[string]string{}
	for _, p := range paths {
		found[filepath.Base(filepath.Dir(p))] = p
	}
	return found
}

// python returns an interpreter and the path to set PYTHONPATH to for pynvml.
func python(t *testing.T) (interpreter, path string) {
	t.Helper()
	path = tools(t)
	if _, err := os.Stat(filepath.Join(path, "pynvml.py")); err != nil {
		t.Skipf("no pynvml in %s: run tests/nvml/tools", path)
	}
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 in PATH: install it")
	}
	return interpreter, path
}
