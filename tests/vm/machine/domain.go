// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/orion-vgpu/orion/tests/vm/initramfs"
)

// Domain is a guest to be.
type Domain struct {
	Machine   string // q35 (default) or pc
	MemoryMiB int    // default 512
	CPUs      int    // default 1
	// NoBridge leaves out the bridge that devices for plain PCI are plugged into.
	NoBridge bool
	NoNet    bool   // without a network
	Devices  string // more XML of devices
	Metadata string // XML within <metadata>
	// Image is the system, which BaseImage makes.
	Image *initramfs.Image
}

// An emulated guest that boots anew writes where code lay before, each time past all that QEMU has translated of it: a
// small cache of that, which is emptied when it is full, has it boot in seconds instead of a minute.
var domainXML = template.Must(template.New("domain").Parse(`<domain type='{{.Type}}'>
  <name>{{.Name}}</name>
  {{with .Metadata}}<metadata>{{.}}</metadata>{{end}}
  <memory unit='MiB'>{{.MemoryMiB}}</memory>
  <vcpu>{{.CPUs}}</vcpu>
  <os>
    <type arch='x86_64' machine='{{.Machine}}'>hvm</type>
    <kernel>{{.Kernel}}</kernel>
    <initrd>{{.Initrd}}</initrd>
    <cmdline>console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on</cmdline>
  </os>
  <features><acpi/>{{if eq .Type "qemu"}}<tcg><tb-cache unit='MiB'>64</tb-cache></tcg>{{end}}</features>
  <cpu mode='{{.CPU}}'/>
  <on_reboot>restart</on_reboot>
  <devices>
    {{- if eq .Machine "q35"}}
    <controller type='pci' model='pcie-root'/>
    {{- range .Ports}}
    <controller type='pci' model='pcie-root-port'/>
    {{- end}}
    {{- if not .NoBridge}}
    <controller type='pci' model='pcie-to-pci-bridge'/>
    {{- end}}
    {{- end}}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <serial type='file'><source path='{{.Console}}'/></serial>
    {{- if not .NoNet}}
    <interface type='user'><model type='virtio'/></interface>
    {{- end}}
    <channel type='unix'><source mode='bind' path='{{.Port}}'/><target type='virtio' name='{{.PortName}}'/></channel>
    {{.Devices}}
  </devices>
</domain>
`))

// Define makes a domain known to libvirt, under a name that nobody else has. Boot starts it.
func (h *Host) Define(ctx context.Context, d Domain) (*Guest, error) {
	g := &Guest{Name: "orion-" + strings.ToLower(rand.Text()[:12]), host: h}
	if d.Machine == "" {
		d.Machine = "q35"
	}
	if d.MemoryMiB == 0 {
		d.MemoryMiB = 512
	}
	if d.CPUs == 0 {
		d.CPUs = 1
	}
	v := struct {
		Domain
		Name, Type, CPU, Kernel, Initrd, Console, Port, PortName string
		Ports                                                    []int
	}{
		Domain: d, Name: g.Name, Type: "qemu", CPU: "maximum", Kernel: h.image, Initrd: g.path("initrd"),
		Console: g.path("console"), Port: g.path("port"), PortName: portName, Ports: make([]int, 10),
	}
	if h.Accel == KVM {
		v.Type, v.CPU = "kvm", "host-passthrough"
	}
	if err := writeImage(d.Image, v.Initrd); err != nil {
		return nil, fmt.Errorf("define a guest: %w", err)
	}
	var xml bytes.Buffer
	if err := domainXML.Execute(&xml, v); err != nil {
		return nil, fmt.Errorf("define a guest: %w", err)
	}
	if err := os.WriteFile(g.path("xml"), xml.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("define a guest: %w", err)
	}
	if _, err := h.Virsh(ctx, "define", g.path("xml")); err != nil {
		return nil, err
	}
	return g, nil
}

// Path returns a name for a file of the guest's, which Remove does not know and Host.Close removes.
func (g *Guest) Path(what string) string { return g.path(what) }

// path returns the file of a guest's for one purpose.
func (g *Guest) path(what string) string { return filepath.Join(g.host.Dir, g.Name+"."+what) }
