// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/orion-vgpu/orion/tests/vm/initramfs"
)

const qemu = "qemu-system-x86_64"

// Accel is how guests are executed: by the kernel, or by QEMU's own translation, which works everywhere.
type Accel string

// The two ways, by QEMU's names.
const (
	KVM Accel = "kvm"
	TCG Accel = "tcg"
)

// probeTime is enough for a kernel to boot under a KVM that works.
const probeTime = 6 * time.Second

// probe finds out whether KVM boots our kernel: /dev/kvm can be there and fail, or never get there.
func probe(ctx context.Context, h *Host) Accel {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		return TCG
	}
	const token = "orion-vm-is-up"
	var im initramfs.Image
	im.File("/init", 0o755, []byte("#!/busybox sh\n/busybox echo "+token+"\n/busybox poweroff -f\n"))
	if im.Copy("/busybox", filepath.Join(h.Kernel.Dir, "busybox")) != nil {
		return TCG
	}
	initrd := filepath.Join(h.Dir, "probe.cpio")
	if writeImage(&im, initrd) != nil {
		return TCG
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	out, _ := exec.CommandContext(ctx, qemu, "-accel", "kvm", "-cpu", "max", "-m", "256", "-nodefaults", "-no-reboot",
		"-display", "none", "-serial", "stdio", "-kernel", h.image, "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1").Output()
	if bytes.Contains(out, []byte(token)) {
		return KVM
	}
	return TCG
}

// writeImage writes an image for QEMU to read, which runs as another user.
func writeImage(im *initramfs.Image, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := im.Write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
