// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

const acpi = "<acpi/>"

// bridge is what a q35 domain needs for hot-plug.
const bridge = "<controller type='pci' model='pcie-root'/><controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-to-pci-bridge'/>"

// TestMachines has one libvirtd for all, since it takes seconds to start.
func TestMachines(t *testing.T) {
	h := newHost(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *host)
	}{
		{"life", testLife}, {"hot-plug", testHotplug}, {"detach", testDetach}, {"list", testList}, {"sizes", testSizes},
		{"reboot", testReboot}, {"libvirtd restarts", testLibvirtRestarts}, {"oriond crashes", testCrash},
	} {
		h.run(t, c.name, func(t *testing.T) { c.test(t, h) })
	}
}

func testLife(t *testing.T, h *host) {
	name := h.define("pc", acpi, "")
	if c := h.enable(name, vmm.MinSize); c.Running || c.Advice != "" {
		t.Errorf("Enable() = %+v", c)
	}
	h.virsh("start", name)
	s := h.awaitState(name, vmm.Attached)
	xml := h.virsh("dumpxml", name)
	if !strings.Contains(xml, "<shmem name='"+s.Region+"'") || !strings.Contains(xml, "ivshmem-plain") {
		t.Errorf("the domain has no device:\n%s", xml)
	}
	var stat unix.Stat_t
	if err := unix.Stat(filepath.Join(ivshmem.Dir, s.Region), &stat); err != nil || stat.Size != vmm.MinSize || stat.Mode&0o7777 != 0o600 || stat.Uid != 0 {
		t.Errorf("the file has %d bytes, mode %o, owner %d: %v", stat.Size, stat.Mode, stat.Uid, err)
	}
	slice, err := h.manager.Claim(h.nonce(name), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slice.Release()
	h.virsh("destroy", name)
	h.awaitGone(s.Region)
	h.await("the end of its sessions", func() bool { return h.endings(name) > 0 })
	h.virsh("start", name)
	if again := h.awaitState(name, vmm.Attached); again.Region == s.Region {
		t.Error("the next run has the same region")
	}
}

func testHotplug(t *testing.T, h *host) {
	for _, c := range []struct {
		name, machine, features, devices string
		advice                           []string // empty: it is attached
	}{
		{"pc", "pc", acpi, "", nil},
		{"pc without ACPI", "pc", "", "", []string{"<acpi/>"}},
		{"q35 with bridge", "q35", acpi, bridge, nil},
		{"q35 without bridge", "q35", acpi, "", []string{"pcie-to-pci-bridge", "virsh edit"}},
	} {
		h.run(t, c.name, func(t *testing.T) {
			name := h.define(c.machine, c.features, c.devices)
			h.virsh("start", name)
			change := h.enable(name, vmm.MinSize)
			if !change.Running || (change.Advice != "") != (len(c.advice) > 0) {
				t.Errorf("Enable() = %+v", change)
			}
			if len(c.advice) == 0 {
				h.awaitState(name, vmm.Attached)
				return
			}
			s := h.awaitState(name, vmm.Failed)
			for _, want := range c.advice {
				if !strings.Contains(s.Reason, want) || !strings.Contains(change.Advice, want) {
					t.Errorf("reason %q, advice %q: want %q", s.Reason, change.Advice, want)
				}
			}
			if s.Region != "" {
				t.Errorf("region %s is left", s.Region)
			}
			follow(t, h, name)
		})
	}
}

// follow does what the advice says: then it works.
func follow(t *testing.T, h *host, name string) {
	t.Helper()
	xml := h.virsh("dumpxml", "--inactive", name)
	described, err := parse(xml)
	if err != nil {
		t.Fatal(err)
	}
	advice := described.advice()
	_, element, _ := strings.Cut(advice, "<controller")
	if element, _, ok := strings.Cut(element, " behind"); ok {
		xml = strings.Replace(xml, "</devices>", "<controller"+element+"</devices>", 1)
	}
	if strings.Contains(advice, "<acpi/> in <features>") {
		xml = strings.Replace(strings.Replace(xml, "<features/>", "", 1), "</os>", "</os><features><acpi/></features>", 1)
	}
	path := filepath.Join(t.TempDir(), "domain.xml")
	if err := os.WriteFile(path, []byte(xml), 0o600); err != nil {
		t.Fatal(err)
	}
	h.virsh("destroy", name)
	h.virsh("define", path)
	h.virsh("start", name)
	h.awaitState(name, vmm.Attached)
}

// A machine without a system lets go of its device when it is reset.
func testDetach(t *testing.T, h *host) {
	name := h.define("pc", acpi, "")
	h.virsh("start", name)
	h.enable(name, vmm.MinSize)
	region := h.awaitState(name, vmm.Attached).Region
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := h.manager.Detach(ctx, name); err == nil {
		t.Error("a guest without a system has let go of the device")
	}
	h.awaitState(name, vmm.Detaching)
	h.virsh("reset", name)
	h.awaitState(name, vmm.Detached)
	h.awaitGone(region)
	if err := h.manager.Attach(name); err != nil {
		t.Fatal(err)
	}
	region = h.awaitState(name, vmm.Attached).Region
	if c, err := Disable(h.URI, name); err != nil || !c.Running {
		t.Errorf("Disable() = %+v, %v", c, err)
	}
	h.awaitState(name, vmm.Detaching)
	h.virsh("reset", name)
	h.awaitGone(region)
	if xml := h.virsh("dumpxml", name); strings.Contains(xml, "shmem") || strings.Contains(xml, "orion-vgpu") {
		t.Errorf("something is left:\n%s", xml)
	}
	if _, err := Disable(h.URI, name); err != nil {
		t.Errorf("disabled twice: %v", err)
	}
}

func testList(t *testing.T, h *host) {
	plain, off, on := h.define("pc", acpi, ""), h.define("pc", acpi, ""), h.define("pc", acpi, "")
	h.virsh("start", on)
	h.enable(on, vmm.MinSize)
	if _, err := Enable(h.URI, off, 2*vmm.MinSize, `a "node" <&>`); err != nil {
		t.Fatal(err)
	}
	found, err := List(h.URI)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Domain{}
	for _, d := range found {
		got[d.Name] = d
	}
	if d := got[on]; !d.Running || d.Size != vmm.MinSize || d.Node != "" {
		t.Errorf("on: %+v", d)
	}
	if d := got[off]; d.Running || d.Size != 2*vmm.MinSize || d.Node != `a "node" <&>` {
		t.Errorf("off: %+v", d)
	}
	if d, ok := got[plain]; ok {
		t.Errorf("plain: %+v", d)
	}
	h.virsh("start", off)
	h.virsh("metadata", plain, "--uri", Namespace, "--key", "o", "--set", "<vgpu size='100MiB'/>")
	h.virsh("start", plain)
	if s := h.awaitState(plain, vmm.Failed); !strings.Contains(s.Reason, "power of two") {
		t.Errorf("reason is %q", s.Reason)
	}
	if s := h.status(off); s.State != "" {
		t.Errorf("another node's machine: %+v", s)
	}
	if _, err := Enable(h.URI, "orion-vmm-absent", vmm.MinSize, ""); err == nil {
		t.Error("enabled a domain that is not there")
	}
}

// A wrong size would end QEMU, and the guest with it.
func testSizes(t *testing.T, h *host) {
	name := h.define("pc", acpi, "")
	h.virsh("start", name)
	for _, size := range []uint64{0, 1 << 20, 65 << 20, 100 << 20, 128 << 30} {
		if _, err := Enable(h.URI, name, size, ""); err == nil {
			t.Errorf("enabled with %d bytes", size)
		}
		if err := New(h.URI, nil).Attach(t.Context(), name, vmm.Device{Region: "orion-00000000000000000000000000000000", Size: size}); err == nil || errors.Is(err, errAway) {
			t.Errorf("attached %d bytes: %v", size, err)
		}
	}
	if state := h.virsh("domstate", name); state != "running" {
		t.Errorf("the guest is %s", state)
	}
}

func testReboot(t *testing.T, h *host) {
	name := h.define("pc", acpi, "")
	h.enable(name, vmm.MinSize)
	h.virsh("start", name)
	region := h.awaitState(name, vmm.Attached).Region
	before, n := h.endings(name), h.nonce(name)
	h.virsh("reset", name)
	h.await("the end of its sessions", func() bool { return h.endings(name) > before })
	if s := h.status(name); s.State != vmm.Attached || s.Region != region || h.nonce(name) == n {
		t.Errorf("status is %+v; the nonce is as before: %v", s, h.nonce(name) == n)
	}
}

func testLibvirtRestarts(t *testing.T, h *host) {
	stays, goes := h.define("pc", acpi, ""), h.define("pc", acpi, "")
	for _, name := range []string{stays, goes} {
		h.enable(name, vmm.MinSize)
		h.virsh("start", name)
	}
	region := h.awaitState(stays, vmm.Attached).Region
	gone := h.awaitState(goes, vmm.Attached).Region
	if err := h.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.await("oriond and libvirt together again", func() bool { return h.manager.Report().Hypervisor == "" })
	h.virsh("destroy", goes)
	h.awaitGone(gone)
	if s := h.status(stays); s.State != vmm.Attached || s.Region != region {
		t.Errorf("status is %+v", s)
	}
	h.virsh("start", goes)
	h.awaitState(goes, vmm.Attached)
}

// The manager goes away without a word, and machines end and start while there is none.
func testCrash(t *testing.T, h *host) {
	stays, goes := h.define("pc", acpi, ""), h.define("pc", acpi, "")
	for _, name := range []string{stays, goes} {
		h.enable(name, vmm.MinSize)
		h.virsh("start", name)
	}
	region := h.awaitState(stays, vmm.Attached).Region
	gone := h.awaitState(goes, vmm.Attached).Region
	h.stop()
	h.virsh("destroy", goes)
	h.start()
	h.awaitGone(gone)
	if s := h.awaitState(stays, vmm.Attached); s.Region != region {
		t.Errorf("region is %s, was %s", s.Region, region)
	}
	if _, err := h.manager.Claim(h.nonce(stays), 0); err != nil {
		t.Errorf("claim from the next oriond: %v", err)
	}
}
