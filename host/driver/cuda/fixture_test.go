// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
)

// libraryInC compiles a library to stand in for the driver's, and returns its path.
func libraryInC(t *testing.T, source string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "libcuda.so.1")
	cc := exec.Command("cc", "-shared", "-fPIC", "-x", "c", "-o", path, "-")
	cc.Stdin = strings.NewReader(source)
	if out, err := cc.CombinedOutput(); err != nil {
		t.Skipf("no C compiler: %v\n%s", err, out)
	}
	return path
}

// driverInC is a thread of such a driver.
func driverInC(t *testing.T, source string) driver.API {
	t.Helper()
	d, err := Open(libraryInC(t, source))
	if err != nil {
		t.Fatal(err)
	}
	api, err := d.NewThread()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	return api
}
