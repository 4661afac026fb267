// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"testing"

	"github.com/orion-vgpu/orion/tests/chain"
)

// TestOrion has one libvirtd and one pool for all its parts, which follow each other: they look at how many vGPUs are
// in use.
func TestOrion(t *testing.T) {
	g := startGround(t, chain.Options{GPUs: 2, MemoryMiB: 8192, VGPUCount: 8})
	t.Run("ivshmem", func(t *testing.T) { testIvshmem(t, g) })
	t.Run("hotplug", func(t *testing.T) { testHotplug(t, g) })
	t.Run("two", func(t *testing.T) { testTwo(t, g) })
	t.Run("tcp", func(t *testing.T) { testTCP(t, g) })
	t.Run("vsock", func(t *testing.T) { testVsock(t, g) })
}
