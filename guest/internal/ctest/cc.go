// SPDX-License-Identifier: Apache-2.0

package ctest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Compilers returns those that are installed, of the two that the libraries are kept clean for.
func Compilers(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range []string{"gcc", "clang"} {
		if path, err := exec.LookPath(name); err == nil {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		t.Skip("neither gcc nor clang is installed: the C libraries are not tested")
	}
	return found
}

// Root returns the repository's root, in which the rules are written to run.
func Root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("find the repository's root: no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// Program compiles and links a program of sources, relative to the test's folder, under the sanitizers
// ("address,undefined"; none if empty), and returns its path.
func Program(t *testing.T, cc, sanitizers string, sources ...string) string {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(sources[0]), ".c")
	out := filepath.Join(t.TempDir(), name)
	args := []string{"-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-include", filepath.Join(Root(t), "guest/glibc.h"), "-o", out}
	if sanitizers != "" {
		args = append(args, "-fsanitize="+sanitizers, "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
	}
	args = append(append(args, sources...), "-lpthread", "-ldl")
	if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		if bytes.Contains(text, []byte("cannot find")) || bytes.Contains(text, []byte("libclang_rt")) {
			t.Skipf("%s lacks the run-time of -fsanitize=%s: %s", cc, sanitizers, text)
		}
		t.Fatalf("%s %s: %v\n%s", cc, strings.Join(args, " "), err, text)
	}
	return out
}

// Make runs a target of rules, such as guest/libcuda/build.mk, under the address and undefined-behaviour
// sanitizers or without, and returns the folder of the libraries.
func Make(t *testing.T, cc, rules, target string, sanitize bool) string {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not installed: the C libraries are not tested")
	}
	build := t.TempDir()
	folder := filepath.Join(build, "lib")
	cmd := exec.CommandContext(t.Context(), "make", "-f", "-", "CC="+cc, "BUILD="+build, target)
	if sanitize {
		cmd.Args = append(cmd.Args, "SANITIZE=1")
		folder = filepath.Join(build, "asan", "lib")
	}
	cmd.Dir = Root(t)
	cmd.Stdin = strings.NewReader("include " + rules + "\n")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, text)
	}
	return folder
}

// Run starts a program with the given environment alone, and returns its standard output and error. A
// program that fails fails the test.
func Run(t *testing.T, program string, env []string, args ...string) (string, string) {
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
