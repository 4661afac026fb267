// SPDX-License-Identifier: Apache-2.0

package machine

import (
	_ "embed"
	"path/filepath"
	"strings"

	"github.com/orion-vgpu/orion/tests/vm/initramfs"
)

//go:embed start.sh
var startScript string

// modules are what guests load at their start, where their kernel does not have it built in.
var modules = []string{"virtio_pci", "virtio_console", "virtio_net", "virtio_rng"}

// vsockModules are put into the image as well, for those who load them: /modules/load NAME.
var vsockModules = []string{"vmw_vsock_virtio_transport", "vsock_loopback", "vhost_vsock"}

// Image makes the system of a guest: busybox, the machine's libc and ldconfig, users root and alice (1000), the
// kernel's modules, and the agent. agent is the program vm-agent.
func (k Kernel) BaseImage(agent string) (*initramfs.Image, error) {
	var im initramfs.Image
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/var/log", "/root", "/home", "/etc",
		"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/lib"} {
		im.Dir(dir, 0o755)
	}
	im.Dir("/tmp", 0o1777)
	im.Dir("/home/alice", 0o777)
	im.Link("/init", "/bin/busybox")
	im.Link("/bin/sh", "busybox")
	im.File("/etc/inittab", 0o644, []byte("::sysinit:/etc/start\n::respawn:/sbin/vm-agent\n"))
	im.File("/etc/start", 0o755, []byte(startScript))
	im.File("/etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:alice:/home/alice:/bin/sh\n"))
	im.File("/etc/group", 0o644, []byte("root:x:0:\nalice:x:1000:\n"))
	im.File("/etc/hosts", 0o644, []byte("127.0.0.1 localhost\n"))
	im.File("/etc/ld.so.conf", 0o644, []byte("include /etc/ld.so.conf.d/*.conf\n/lib/x86_64-linux-gnu\n"))
	for name, from := range map[string]string{
		"/bin/busybox": filepath.Join(k.Dir, "busybox"), "/sbin/vm-agent": agent, "/sbin/ldconfig": "/sbin/ldconfig",
	} {
		if err := im.Copy(name, from); err != nil {
			return nil, err
		}
	}
	// Libraries of libc that old programs name, or that are loaded by name.
	for _, name := range []string{"libc.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libm.so.6"} {
		if err := im.Library(name); err != nil {
			return nil, err
		}
	}
	all, err := initramfs.FindModules(filepath.Join(k.Dir, "modules"))
	if err != nil {
		return nil, err
	}
	order, err := all.Put(&im, modules...)
	if err != nil {
		return nil, err
	}
	im.File("/modules/order", 0o644, []byte(strings.Join(order, "\n")+"\n"))
	for _, name := range vsockModules {
		order, err := all.Put(&im, name)
		if err != nil {
			return nil, err
		}
		im.File("/modules/"+name+".order", 0o644, []byte(strings.Join(order, "\n")+"\n"))
	}
	return &im, nil
}
