// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/vm/agent"
	"github.com/orion-vgpu/orion/tests/vm/initramfs"
	"github.com/orion-vgpu/orion/tests/vm/machine"
)

// innerScript is what the guest within the guest does: it has vsock and no network, and waits for its device.
const innerScript = `#!/bin/sh
exec >/dev/ttyS0 2>&1
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
for module in $(cat /modules/vmw_vsock_virtio_transport.order); do insmod /modules/$module.ko 2>/dev/null; done
echo INNER UP
while ! grep -q 0x1110 /sys/bus/pci/devices/*/device; do sleep 0.2; done
sh /root/install-client -y
export HOME=/root ORION_VGPU=1 ORION_GMEM=64
/usr/local/bin/client once
code=$?
cat /root/.orion/log/*
echo "INNER CODE $code"
poweroff -f
`

const outerServer = `[controller]
controller_addr = 127.0.0.1:9123
[server]
socket = /run/host/oriond.sock
gpus = softgpu
softgpu_devices = 1
node_name = outer
[log]
log_to_file = false
`

// testVsock has AF_VSOCK for real, which a host in a container rarely has: in a guest, over its loopback; and from a
// guest within that guest, which shares memory with it and has no network.
func testVsock(t *testing.T, g *ground) {
	vm := bootDomain(t, g.host, machine.Domain{Image: g.outerImage(t), MemoryMiB: 2048, CPUs: 2})
	vm.install(t)
	vm.ok(t, "sh", "-c", "for m in $(cat /modules/vsock_loopback.order /modules/vhost_vsock.order); do insmod /modules/$m.ko || true; done; ls /dev/vhost-vsock")
	vm.put(t, "/etc/orion/server.conf", 0o644, outerServer)
	vm.ok(t, "mkdir", "-p", "/run/host", "/run/orion")
	daemons := vm.daemons(t, []string{"orion-controller"}, []string{"oriond", "run"}, []string{"orion-relay", "run"})
	vm.logsOnFailure(t, daemons...)
	for _, socket := range []string{"/run/host/oriond.sock", "/run/orion/relay.sock"} {
		chain.Within(t, socket+" is there", programTime, func() bool { return vm.run(t, "test", "-S", socket).Code == 0 })
	}

	t.Run("unknown", func(t *testing.T) {
		if s := vm.command(t, vm.gpu(t, client, "once")); s.Code == 0 || !strings.Contains(string(s.Stderr), "vsock address 1 has no vGPUs") {
			t.Errorf("the program of a machine that nobody knows ended with %d\nstderr: %s", s.Code, s.Stderr)
		}
	})
	t.Run("loopback", func(t *testing.T) {
		vm.qemu(t, "/run/empty.qmp", "-S", "-m", "32")
		vm.ok(t, "oriond", "vm", "attach", "--qmp", "/run/empty.qmp", "--name", "empty", "--cid", "1", "--size", "64MiB")
		vm.pass(t, client, "once")
		vm.ok(t, "orion-relay", "status")
	})
	t.Run("nested", func(t *testing.T) {
		if os.Getenv("ORION_TEST_NESTED") == "" {
			t.Skip("emulation within emulation takes some ten minutes: set ORION_TEST_NESTED=1 to run it")
		}
		p := vm.qemu(t, "/run/inner.qmp", "-m", "320", "-kernel", "/root/vmlinuz", "-initrd", "/root/inner.cpio",
			"-append", "console=ttyS0 panic=-1 mitigations=off quiet", "-serial", "file:/run/inner.console",
			"-device", "vhost-vsock-pci,guest-cid=42")
		start := time.Now()
		console := func() string { return vm.ok(t, "sh", "-c", "cat /run/inner.console") }
		const limit = 10 * time.Minute
		chain.Within(t, "the guest in the guest boots", limit, func() bool {
			time.Sleep(time.Second)
			if s, err := p.Poll(t.Context()); err != nil || s.Done {
				t.Fatalf("QEMU has ended with %d, %v\n%s%s\n%s", s.Code, err, s.Stdout, s.Stderr, console())
			}
			return strings.Contains(console(), "INNER UP")
		})
		t.Logf("the guest in the guest has booted in %v", time.Since(start).Round(time.Second))
		vm.ok(t, "oriond", "vm", "attach", "--qmp", "/run/inner.qmp", "--name", "inner", "--cid", "42", "--size", "64MiB")
		s, err := wait(t, p, limit)
		out := console()
		if err != nil || !strings.Contains(out, "INNER CODE 0") || !strings.Contains(out, "vsock") {
			t.Errorf("the guest in the guest ended with %d, %v; its console:\n%s", s.Code, err, out)
		}
		t.Logf("its program has run after %v", time.Since(start).Round(time.Second))
	})
}

// qemu starts a QEMU in the guest, with a monitor.
func (g guest) qemu(t *testing.T, monitor string, args ...string) *agent.Process {
	t.Helper()
	p, err := g.Start(t.Context(), agent.Command{Args: append([]string{"/usr/bin/qemu-system-x86_64", "-M", "pc", "-accel", "tcg",
		"-cpu", "max", "-nodefaults", "-no-reboot", "-display", "none", "-L", "/usr/share/qemu",
		"-qmp", "unix:" + monitor + ",server=on,wait=off"}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	chain.Within(t, "QEMU has a monitor", programTime, func() bool {
		if s, err := p.Poll(t.Context()); err != nil || s.Done {
			t.Fatalf("QEMU has ended with %d, %v\n%s%s", s.Code, err, s.Stdout, s.Stderr)
		}
		return g.run(t, "test", "-S", monitor).Code == 0
	})
	return p
}

// daemons starts programs in the guest.
func (g guest) daemons(t *testing.T, commands ...[]string) []*agent.Process {
	t.Helper()
	var all []*agent.Process
	for _, args := range commands {
		p, err := g.Start(t.Context(), agent.Command{Args: args})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// logsOnFailure shows what daemons have said.
func (g guest) logsOnFailure(t *testing.T, all ...*agent.Process) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, p := range all {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the test's own is over
			s, err := p.Poll(ctx)
			cancel()
			t.Logf("%s%s%v", s.Stdout, s.Stderr, err)
		}
	})
}

// outerImage is a guest that is a host: with QEMU, another guest's system, and Orion's daemons.
func (g *ground) outerImage(t *testing.T) *initramfs.Image {
	t.Helper()
	im, inner := baseImage(t, g.host), baseImage(t, g.host)
	inner.File("/etc/inittab", 0o644, []byte("::sysinit:/etc/start\n::once:/etc/inner\n"))
	inner.File("/etc/inner", 0o755, []byte(innerScript))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []*initramfs.Image{im, inner} {
		must(i.Copy("/root/install-client", g.installer))
		must(i.Program(client, g.client))
	}
	file := filepath.Join(t.TempDir(), "inner.cpio")
	f, err := os.Create(file)
	must(err)
	must(inner.Write(f))
	must(f.Close())
	must(im.Copy("/root/inner.cpio", file))
	must(im.Copy("/root/vmlinuz", filepath.Join(g.host.Kernel.Dir, "vmlinuz")))
	for _, name := range []string{"oriond", "orion-controller"} {
		must(im.Program("/usr/bin/"+name, filepath.Join(chain.Build(t), "bin", name)))
	}
	const qemu = "/usr/bin/qemu-system-x86_64"
	must(im.Program(qemu, qemu))
	for _, pattern := range []string{"/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so", "/usr/share/seabios/bios-256k.bin",
		"/usr/share/qemu/bios-256k.bin", "/usr/share/qemu/kvmvapic.bin", "/usr/share/qemu/linuxboot*.bin"} {
		found, err := filepath.Glob(pattern)
		must(err)
		for _, name := range found {
			to := name
			if strings.HasSuffix(name, ".bin") {
				to = "/usr/share/qemu/" + filepath.Base(name)
			}
			must(im.Copy(to, name))
		}
	}
	return im
}
