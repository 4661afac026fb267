// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Kernel is what guests boot from: the folder that the script tests/vm/kernel fills.
type Kernel struct{ Dir string }

// copyTo copies the kernel's own file to where QEMU's user can read it, and returns its name there.
func (k Kernel) copyTo(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(k.Dir, "vmlinuz"))
	if err != nil {
		return "", fmt.Errorf("copy the kernel for guests: %w", err)
	}
	name := filepath.Join(dir, "vmlinuz")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		return "", fmt.Errorf("copy the kernel for guests: %w", err)
	}
	return name, nil
}

// findKernel fetches the kernel if it is not there yet.
func findKernel(ctx context.Context) (Kernel, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(source(), "..", "kernel"))
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return Kernel{}, fmt.Errorf("fetch a kernel for guests: %w", err)
	}
	return Kernel{strings.TrimSpace(string(out))}, nil
}

// source returns the folder of this file in the source tree.
func source() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}
