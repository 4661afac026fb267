// SPDX-License-Identifier: Apache-2.0

package nvmltest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

func TestNVML(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/exports.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, cc := range ctest.Compilers(t) {
		t.Run(filepath.Base(cc), func(t *testing.T) {
			t.Parallel()
			folder := ctest.Make(t, cc, "guest/libnvidia-ml/build.mk", "guest-libnvidia-ml", false)
			l := ctest.Open(t, filepath.Join(folder, "libnvidia-ml.so.1"), "libnvidia-ml.so.1")
			l.CheckExports(t, strings.Fields(string(want)))
			testQuery(t, cc, folder, ctest.Program(t, cc, "", "testdata/query.c"))
		})
		t.Run(filepath.Base(cc)+"/sanitized", func(t *testing.T) {
			t.Parallel()
			program := ctest.Program(t, cc, "address,undefined", "testdata/query.c")
			testQuery(t, cc, ctest.Make(t, cc, "guest/libnvidia-ml/build.mk", "guest-libnvidia-ml", true), program)
		})
	}
}

// testQuery runs the program over another libcuda, and over one that stands in for Orion's.
func testQuery(t *testing.T, cc, folder, program string) {
	other := t.TempDir()
	library(t, cc, filepath.Join(other, "libcuda.so.1"), "testdata/another.c")
	got, stderr := ctest.Run(t, program, []string{"LD_LIBRARY_PATH=" + folder + ":" + other}, "0")
	if got != "9\n" || !strings.Contains(stderr, "is not Orion's; put Orion's folder first into LD_LIBRARY_PATH") {
		t.Errorf("over another libcuda nvmlInit returns %s, and says %q", got, stderr)
	}

	library(t, cc, filepath.Join(folder, "libcuda.so.1"), "testdata/fakecuda.c")
	path := "LD_LIBRARY_PATH=" + folder
	ctest.Run(t, program, []string{path})
	for _, c := range []struct{ result, flags, want string }{
		{"100", "0", "9\n"}, // no device: the pool grants none
		{"800", "0", "4\n"}, // not permitted
		{"3", "0", "9\n"},
		{"100", "1", "0\n"}, // initialised without GPUs, as asked
	} {
		if got, _ := ctest.Run(t, program, []string{path, "FAKE_RESULT=" + c.result}, c.flags); got != c.want {
			t.Errorf("with the result %s and the flags %s nvmlInit returns %s, want %s", c.result, c.flags, got, c.want)
		}
	}
}

func library(t *testing.T, cc, path string, args ...string) {
	t.Helper()
	args = append([]string{"-std=gnu11", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wl,-soname,libcuda.so.1", "-o", path}, args...)
	if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, text)
	}
}
