// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"encoding/xml"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

// domain is what matters here of a domain's XML.
type domain struct {
	Name string `xml:"name"`
	UUID string `xml:"uuid"`
	Type struct {
		Machine string `xml:"machine,attr"`
	} `xml:"os>type"`
	ACPI     *struct{} `xml:"features>acpi"`
	Metadata struct {
		OptIn *OptIn
	} `xml:"metadata"`
	Controllers []struct {
		Type  string `xml:"type,attr"`
		Model string `xml:"model,attr"`
	} `xml:"devices>controller"`
	Shmem []struct {
		Name string `xml:"name,attr"`
	} `xml:"devices>shmem"`
	Vsock *struct {
		CID struct {
			Address uint32 `xml:"address,attr"`
		} `xml:"cid"`
	} `xml:"devices>vsock"`
	Labels []struct {
		Model string `xml:"model,attr"`
		Image string `xml:"imagelabel"`
	} `xml:"seclabel"`
}

func parse(text string) (domain, error) {
	var d domain
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		return d, fmt.Errorf("read XML of domain: %w", err)
	}
	return d, nil
}

// machine returns the facts that follow from the XML of a running domain.
func (d domain) machine() vmm.Machine {
	m := vmm.Machine{Name: d.Name, UUID: d.UUID}
	if o := d.Metadata.OptIn; o != nil {
		m.Size, m.Fault = o.bytes()
		m.Node = o.Node
	}
	for _, s := range d.Shmem {
		if ivshmem.IsName(s.Name) {
			m.Regions = append(m.Regions, s.Name)
		}
	}
	if d.Vsock != nil {
		m.Vsock, m.CID = true, d.Vsock.CID.Address
	}
	m.Access = d.access()
	return m
}

// access returns what QEMU's process needs to open a file. Without labels it runs as oriond does, or as root.
func (d domain) access() ivshmem.Access {
	a := ivshmem.Access{UID: -1, GID: -1}
	for _, l := range d.Labels {
		switch l.Model {
		case "dac":
			owner, group, _ := strings.Cut(l.Image, ":")
			a.UID = lookUp(owner, func(name string) (string, error) {
				u, err := user.Lookup(name)
				if err != nil {
					return "", err
				}
				return u.Uid, nil
			})
			a.GID = lookUp(group, func(name string) (string, error) {
				g, err := user.LookupGroup(name)
				if err != nil {
					return "", err
				}
				return g.Gid, nil
			})
		case "selinux":
			a.Label = l.Image
		}
	}
	return a
}

// lookUp reads one half of a DAC label, "+64055" or a name; -1 where nobody has that name.
func lookUp(text string, byName func(string) (string, error)) int {
	number, isNumber := strings.CutPrefix(text, "+")
	if !isNumber {
		if n, err := byName(text); err == nil {
			number = n
		}
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// advice says what a domain's XML lacks for the device to be attached while it runs; empty: nothing.
func (d domain) advice() string {
	has := func(model string) bool {
		return slices.ContainsFunc(d.Controllers, func(c struct {
			Type  string `xml:"type,attr"`
			Model string `xml:"model,attr"`
		}) bool {
			return c.Type == "pci" && c.Model == model
		})
	}
	var lacks []string
	if d.ACPI == nil {
		lacks = append(lacks, "<acpi/> in <features>")
	}
	switch {
	case has("pcie-root") && !has("pcie-to-pci-bridge") && !has("pci-bridge"):
		add := "<controller type='pci' model='pcie-to-pci-bridge'/> behind the other controllers in <devices>"
		if !has("pcie-root-port") {
			add = "<controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-to-pci-bridge'/> behind the other controllers in <devices>"
		}
		lacks = append(lacks, add)
	case !has("pcie-root") && !has("pci-root"):
		return fmt.Sprintf("machine type %s has no PCI bus for the device; its programs can use a vGPU through orion-relay", d.Type.Machine)
	}
	if len(lacks) == 0 {
		return ""
	}
	return fmt.Sprintf("add %s by \"virsh edit %s\", shut the machine down and start it", strings.Join(lacks, " and "), d.Name)
}

// full is the advice for a domain that has what it needs, but no slot is free.
func (d domain) full() string {
	model := "pci-bridge"
	if strings.Contains(d.Type.Machine, "q35") || strings.Contains(d.Type.Machine, "virt") {
		model = "pcie-to-pci-bridge"
	}
	return fmt.Sprintf("detach a device that is not needed and run \"oriond vm attach %s\", or add <controller type='pci' model='%s'/> behind the other controllers in <devices> by \"virsh edit %s\", shut the machine down and start it", d.Name, model, d.Name)
}

// deviceXML describes a region's device.
func deviceXML(d vmm.Device) string {
	return fmt.Sprintf("<shmem name='%s'><model type='ivshmem-plain'/><size unit='M'>%d</size></shmem>", d.Region, d.Size>>20)
}
