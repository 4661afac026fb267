// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"reflect"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

const region = "orion-00112233445566778899aabbccddeeff"

func TestMachineFromXML(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, xml string
		want      vmm.Machine
		fault     string
	}{
		{"plain", `<domain><name>a</name></domain>`, vmm.Machine{Access: ivshmem.Access{UID: -1, GID: -1}}, ""},
		{"all", `<domain><name>a</name><uuid>u</uuid>
			<metadata><other:x xmlns:other="http://o/"><vgpu size="1GiB"/></other:x>` + Snippet(512<<20, "n1") + `</metadata>
			<devices><shmem name="looking-glass"/><shmem name="` + region + `"/><vsock><cid auto="yes" address="3"/></vsock></devices>
			<seclabel model="selinux"><label>l</label><imagelabel>system_u:object_r:svirt_image_t:s0:c1,c2</imagelabel></seclabel>
			<seclabel model="dac"><label>+1:+2</label><imagelabel>+64055:+107</imagelabel></seclabel></domain>`,
			vmm.Machine{UUID: "u", Size: 512 << 20, Node: "n1", Regions: []string{region}, Vsock: true, CID: 3,
				Access: ivshmem.Access{UID: 64055, GID: 107, Label: "system_u:object_r:svirt_image_t:s0:c1,c2"}}, ""},
		{"default size, names for owners", `<domain><name>a</name><metadata><vgpu xmlns="` + Namespace + `"/></metadata>
			<seclabel model="dac"><imagelabel>root:nobody-has-this-name</imagelabel></seclabel></domain>`,
			vmm.Machine{Size: vmm.DefaultSize, Access: ivshmem.Access{UID: 0, GID: -1}}, ""},
		{"no size", `<domain><name>a</name><metadata><vgpu xmlns="` + Namespace + `" size="many"/></metadata></domain>`,
			vmm.Machine{Access: ivshmem.Access{UID: -1, GID: -1}}, "such as 256MiB"},
		{"another's element", `<domain><name>a</name><metadata><vgpu xmlns="https://orion-vgpu.org/domain/2" size="1GiB"/></metadata></domain>`,
			vmm.Machine{Access: ivshmem.Access{UID: -1, GID: -1}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := parse(c.xml)
			if err != nil {
				t.Fatal(err)
			}
			got := d.machine()
			if (got.Fault != nil) != (c.fault != "") || got.Fault != nil && !strings.Contains(got.Fault.Error(), c.fault) {
				t.Errorf("fault is %v, want %q", got.Fault, c.fault)
			}
			got.Fault, c.want.Name = nil, "a"
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
	if _, err := parse("<domain>"); err == nil {
		t.Error("parsed half an XML")
	}
}

func TestAdvice(t *testing.T) {
	t.Parallel()
	pci := func(models ...string) string {
		s := "<devices>"
		for _, m := range models {
			s += "<controller type='pci' model='" + m + "'/>"
		}
		return s + "</devices>"
	}
	for _, c := range []struct {
		xml  string
		want []string
	}{
		{"<features><acpi/></features>" + pci("pci-root"), nil},
		{pci("pci-root"), []string{"<acpi/>"}},
		{"<features><acpi/></features>" + pci("pcie-root", "pcie-root-port", "pcie-to-pci-bridge"), nil},
		{"<features><acpi/></features>" + pci("pcie-root", "pcie-root-port"), []string{"model='pcie-to-pci-bridge'"}},
		{"<features><acpi/></features>" + pci("pcie-root"), []string{"model='pcie-root-port'", "model='pcie-to-pci-bridge'"}},
		{pci("pcie-root"), []string{"<acpi/>", "model='pcie-to-pci-bridge'"}},
		{"<os><type machine='microvm'/></os><features><acpi/></features>", []string{"microvm", "orion-relay"}},
	} {
		d, err := parse("<domain><name>web1</name>" + c.xml + "</domain>")
		if err != nil {
			t.Fatal(err)
		}
		got := d.advice()
		if (got == "") != (len(c.want) == 0) {
			t.Errorf("%s: advice is %q", c.xml, got)
		}
		for _, w := range c.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: advice is %q, want %q", c.xml, got, w)
			}
		}
	}
}

// What a domain's user writes into its metadata is read by oriond as root.
func FuzzDomain(f *testing.F) {
	f.Add("<domain><name>a</name><metadata>" + Snippet(1<<30, "n") + "</metadata></domain>")
	f.Add("<domain><seclabel model='dac'><imagelabel>+1:+2</imagelabel></seclabel><devices><vsock><cid address='99999999999'/></vsock></devices></domain>")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parse(text)
		if err != nil {
			return
		}
		m := d.machine()
		if m.Fault == nil && m.Size != 0 && vmm.CheckSize(m.Size) != nil {
			t.Errorf("opted in with %d bytes", m.Size)
		}
		for _, r := range m.Regions {
			if !ivshmem.IsName(r) {
				t.Errorf("took %q for a region", r)
			}
		}
		d.advice()
	})
}
