// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compilers returns those that are installed, of the two that the library is kept clean for.
func compilers(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range []string{"gcc", "clang"} {
		if path, err := exec.LookPath(name); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Skip("neither gcc nor clang is installed: the C library is not tested")
	}
	return found
}

// build compiles testdata/NAME.c with sources of guest/libcuda and returns the program's path.
func build(t *testing.T, cc, sanitizers, name string, sources ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	args := []string{"-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-fno-omit-frame-pointer",
		"-fsanitize=" + sanitizers, "-fno-sanitize-recover=all", "-include", "../../glibc.h", "-o", out, "testdata/" + name + ".c"}
	for _, s := range sources {
		args = append(args, "../"+s)
	}
	args = append(args, "-lpthread")
	if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		if bytes.Contains(text, []byte("cannot find")) || bytes.Contains(text, []byte("libclang_rt")) {
			t.Skipf("%s lacks the run-time of -fsanitize=%s: %s", cc, sanitizers, text)
		}
		t.Fatalf("%s %s: %v\n%s", cc, strings.Join(args, " "), err, text)
	}
	return out
}

// run starts a program with the given environment alone, and returns its standard output and error.
func run(t *testing.T, program string, env []string, args ...string) (string, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s%s", filepath.Base(program), err, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String()
}
