// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

const maxLibraryBytes = 1 << 20

func TestLibrary(t *testing.T) {
	t.Parallel()
	for _, cc := range ctest.Compilers(t) {
		t.Run(filepath.Base(cc), func(t *testing.T) {
			t.Parallel()
			folder := ctest.Make(t, cc, "guest/libcuda/build.mk", "guest-libcuda", false)
			l := ctest.Open(t, filepath.Join(folder, "libcuda.so.1"), "libcuda.so.1")
			l.CheckExports(t, exports(t))
			if l.Loaded > maxLibraryBytes {
				t.Errorf("the library has %d bytes, want at most %d", l.Loaded, maxLibraryBytes)
			}
			for _, alias := range aliases(t) {
				if l.Address[alias[0]] != l.Address[alias[1]] {
					t.Errorf("%s is not %s", alias[0], alias[1])
				}
			}
			if link, err := os.Readlink(filepath.Join(folder, "libcuda.so")); err != nil || link != "libcuda.so.1" {
				t.Errorf("libcuda.so leads to %q, %v", link, err)
			}
			testLoad(t, cc, l.Path)
			testFork(t, cc, l.Path)
		})
	}
}

// testLoad has the library loaded without a session; tests/bench says what that takes.
func testLoad(t *testing.T, cc, library string) {
	program := ctest.Program(t, cc, "", "testdata/load.c")
	out, _ := ctest.Run(t, program, []string{"HOME=" + t.TempDir()}, library)
	us, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatalf("%s prints %q", program, out)
	}
	t.Logf("loaded in %d us, %d bytes", us, fileSize(t, library))
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// exports reads the names of the generated version script.
func exports(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+);$`).FindAllStringSubmatch(read(t, "../generated/libcuda.map"), -1) {
		names = append(names, m[1])
	}
	if len(names) < 500 {
		t.Fatalf("libcuda.map has only %d names", len(names))
	}
	return names
}

// aliases reads the generated second names of functions: the name and what it stands for.
func aliases(t *testing.T) [][2]string {
	t.Helper()
	var pairs [][2]string
	for _, m := range regexp.MustCompile(`(?m)^(\w+) = (\w+);$`).FindAllStringSubmatch(read(t, "../generated/aliases.ld"), -1) {
		pairs = append(pairs, [2]string{m[1], m[2]})
	}
	if len(pairs) == 0 {
		t.Fatal("aliases.ld has no aliases")
	}
	return pairs
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
