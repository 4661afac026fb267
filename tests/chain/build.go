// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Root returns the top folder of the source tree that this test was built from.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

var built = sync.OnceValues(build)

// Build returns the folder with bin/ (the programs) and lib/ (the client's libraries), up to date.
func Build(t testing.TB) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func build() (string, error) {
	if dir := os.Getenv("ORION_TEST_BUILD"); dir != "" {
		return filepath.Abs(dir)
	}
	dir := filepath.Join(Root(), "build", "test")
	unlock, err := lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	// go-nvml leaves symbols to be found when it opens the driver's library: lazy binding.
	bin := filepath.Join("build", "test", "bin") + "/"
	if err := run("go", "build", "-tags", "libvirt_dlopen", "-ldflags=-extldflags=-Wl,-z,lazy", "-o", bin, "./host/cmd/oriond"); err != nil {
		return "", err
	}
	// What runs in guests is static.
	if err := run("env", "CGO_ENABLED=0", "go", "build", "-o", bin, "./controller/cmd/orion-controller", "./guest/cmd/..."); err != nil {
		return "", err
	}
	return dir, run("make", "--no-print-directory", "BUILD=build/test", "guest-libcuda", "guest-libnvidia-ml")
}

// lock keeps two test binaries from building into one folder at the same time.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make build folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock build folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock build folder: %w", err)
	}
	return func() { f.Close() }, nil
}

// run runs a command in the top folder.
func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build for tests: %s: %w\n%s", cmd, err, out)
	}
	return nil
}

// CC compiles a C program against tests/chain/client and returns its path. It opens libcuda.so.1 itself.
func CC(t testing.TB, source string, flags ...string) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	if _, err := exec.LookPath(cc); err != nil {
		t.Skipf("no C compiler: %v", err)
	}
	program := filepath.Join(t.TempDir(), "client")
	args := append([]string{"-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread",
		"-I", filepath.Join(Root(), "tests", "chain", "client"), "-o", program, source}, flags...)
	if out, err := exec.Command(cc, append(args, "-ldl")...).CombinedOutput(); err != nil {
		t.Fatalf("compile %s: %v\n%s", source, err, out)
	}
	return program
}
