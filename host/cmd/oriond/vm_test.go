// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo && libvirt_dlopen

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/tests/vm/machine"
	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

// hypervisorHost is an oriond beside a libvirtd of its own.
type hypervisorHost struct {
	*machine.Host
	*node
}

func newHypervisorHost(t *testing.T) hypervisorHost {
	t.Helper()
	h, err := machine.Start(t.Context())
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return hypervisorHost{h, newNode(t, "127.0.0.1:1", "libvirt_uri = "+h.URI)}
}

// define makes a domain without a system.
func (h hypervisorHost) define(t *testing.T, machineType string) string {
	t.Helper()
	name := "orion-vmm-" + strings.ToLower(rand.Text()[:12])
	text := fmt.Sprintf(`<domain type='qemu'><name>%s</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='%s'>hvm</type></os><features><acpi/></features>
<devices><controller type='usb' model='none'/><memballoon model='none'/></devices></domain>`, name, machineType)
	path := filepath.Join(t.TempDir(), "domain.xml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.virsh(t, "define", path)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		h.Virsh(ctx, "destroy", name)
		h.Virsh(ctx, "undefine", name)
	})
	return name
}

func (h hypervisorHost) virsh(t *testing.T, args ...string) {
	t.Helper()
	if _, err := h.Virsh(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

// machine is what "oriond vm status" says of a domain; its zero value where that fails.
func (h hypervisorHost) machine(name string) vmm.Status {
	out, err := h.command("vm", "status", name, "-o", "json").Output()
	var all []vmm.Status
	if err != nil || json.Unmarshal(out, &all) != nil || len(all) != 1 {
		return vmm.Status{}
	}
	return all[0]
}

func (h hypervisorHost) awaitState(t *testing.T, name string, want vmm.State) (s vmm.Status) {
	t.Helper()
	waitFor(t, fmt.Sprintf("state %q of %s", want, name), eventually, func() bool {
		s = h.machine(name)
		return s.State == want
	})
	return s
}

func regionExists(region string) bool {
	_, err := os.Stat(filepath.Join(ivshmem.Dir, region))
	return err == nil
}

// TestVirtualMachines drives oriond by its commands and libvirt by virsh, as an administrator does.
func TestVirtualMachines(t *testing.T) {
	h := newHypervisorHost(t)
	vm, poor := h.define(t, "pc"), h.define(t, "q35")

	// Opting in needs no oriond.
	if out := h.output(t, "vm", "enable", vm, "--size", "64MiB"); !strings.Contains(out, "next start") {
		t.Errorf("vm enable says %q", out)
	}
	if out := h.output(t, "vm", "list"); !strings.Contains(out, vm) || !strings.Contains(out, "stopped") || strings.Contains(out, poor) {
		t.Errorf("vm list says %q", out)
	}
	h.virsh(t, "start", vm)
	if s := h.machine(vm); s.State != vmm.Waiting || !strings.Contains(s.Reason, "does not run") {
		t.Errorf("without oriond: %+v", s)
	}
	oriond := h.start(t)
	s := h.awaitState(t, vm, vmm.Attached)
	if s.Size != 64<<20 || !regionExists(s.Region) {
		t.Errorf("attached: %+v", s)
	}

	// A machine that cannot have the device while it runs.
	h.virsh(t, "start", poor)
	out, err := h.command("vm", "enable", poor).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "pcie-to-pci-bridge") || !strings.Contains(string(out), "virsh edit "+poor) {
		t.Errorf("vm enable of a machine without a slot: %v: %s", err, out)
	}
	if out := h.output(t, "vm", "disable", poor); !strings.Contains(out, "no vGPUs") {
		t.Errorf("vm disable says %q", out)
	}
	if out, err := h.command("vm", "status", poor).CombinedOutput(); err == nil {
		t.Errorf("vm status of a machine that did not opt in: %s", out)
	}

	// oriond crashes; its machine goes on, and the next oriond knows it.
	kill := func() {
		oriond.Process.Kill()
		oriond.Wait()
	}
	kill()
	oriond = h.start(t)
	if again := h.awaitState(t, vm, vmm.Attached); again.Region != s.Region {
		t.Errorf("region is %s, was %s", again.Region, s.Region)
	}

	// It crashes, and meanwhile the machine ends: the next oriond removes what is left.
	kill()
	h.virsh(t, "destroy", vm)
	if !regionExists(s.Region) {
		t.Fatal("somebody else has removed the region: this tests nothing")
	}
	oriond = h.start(t)
	waitFor(t, "removal of the region", eventually, func() bool { return !regionExists(s.Region) })
	if got := h.machine(vm); got.State != vmm.Stopped {
		t.Errorf("status is %+v", got)
	}

	// It stops in good order, and the machine keeps its device.
	h.virsh(t, "start", vm)
	s = h.awaitState(t, vm, vmm.Attached)
	stopped(t, oriond)
	if !regionExists(s.Region) {
		t.Error("oriond took the region away when it stopped")
	}
	h.start(t)
	h.awaitState(t, vm, vmm.Attached)
	if out, err := h.command("vm", "detach", vm, "--wait", "1s").CombinedOutput(); err == nil || !strings.Contains(string(out), "let go") {
		t.Errorf("vm detach from a guest without a system: %v: %s", err, out)
	}
	h.virsh(t, "reset", vm)
	h.awaitState(t, vm, vmm.Detached)
	if out := h.output(t, "vm", "attach", vm); !strings.Contains(out, "attached") {
		t.Errorf("vm attach says %q", out)
	}
	s = h.machine(vm)
	h.virsh(t, "destroy", vm)
	waitFor(t, "removal of the region", eventually, func() bool { return !regionExists(s.Region) })
}

// TestHybridVsock plays a monitor that knows no shared memory, and connects for a program in its guest.
func TestHybridVsock(t *testing.T) {
	t.Parallel()
	n := newNode(t, "127.0.0.1:1", "libvirt_uri = qemu:///system?socket=/nonexistent")
	oriond := n.start(t)
	path := filepath.Join(t.TempDir(), "v.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if out := n.output(t, "vm", "attach", "--vsock", path, "--name", "fc"); !strings.Contains(out, "let in") {
		t.Errorf("vm attach says %q", out)
	}
	// The handshake is answered: by a refusal, since there is no controller.
	knock := func() string {
		hello := wire.Hello{Version: wire.Version, Spec: cuda.SpecHash, VGPUs: 1, GMemMiB: 256, Program: "train", Carrier: wire.CarrierStream}
		b, err := hello.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("unix", path+"_9960")
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(eventually))
		if _, err := conn.Write(b); err != nil {
			return err.Error()
		}
		answer := make([]byte, wire.HelloSize)
		if _, err := io.ReadFull(conn, answer); err != nil {
			return err.Error()
		}
		var w wire.Welcome
		if err := w.UnmarshalBinary(answer); err != nil {
			return err.Error()
		}
		return w.Message
	}
	answered := func() bool { return strings.Contains(knock(), "orion-controller") }
	waitFor(t, "an answer", eventually, answered)
	oriond.Process.Kill()
	oriond.Wait()
	n.start(t)
	waitFor(t, "an answer of the next oriond", eventually, answered)
	n.output(t, "vm", "detach", "fc")
	waitFor(t, "the end", eventually, func() bool { return !answered() })
	if out := n.output(t, "vm", "list"); strings.Contains(out, "fc") {
		t.Errorf("vm list says %q", out)
	}
}
