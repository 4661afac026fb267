// SPDX-License-Identifier: Apache-2.0

package libvirt

import (
	"bytes"
	"encoding/xml"
	"fmt"

	"github.com/orion-vgpu/orion/vmm"
)

// Namespace is that of Orion's element in the metadata of a domain.
const Namespace = "https://orion-vgpu.org/domain/1"

// OptIn is what the metadata say: <orion:vgpu xmlns:orion="..." size="256MiB"/>.
type OptIn struct {
	XMLName xml.Name `xml:"https://orion-vgpu.org/domain/1 vgpu"`
	Size    string   `xml:"size,attr"` // empty: vmm.DefaultSize
	Node    string   `xml:"node,attr"` // name of the oriond that is to serve it; empty: any
}

// bytes returns the region's size.
func (o OptIn) bytes() (uint64, error) {
	if o.Size == "" {
		return vmm.DefaultSize, nil
	}
	size, err := vmm.ParseSize(o.Size)
	if err != nil {
		return 0, fmt.Errorf("element <orion:vgpu> in the domain's metadata: %w", err)
	}
	return size, nil
}

// Snippet returns the element for the metadata of a domain, as virsh edit shows it.
func Snippet(size uint64, node string) string {
	return fmt.Sprintf("<orion:vgpu xmlns:orion=%q size=%q%s/>", Namespace, vmm.FormatSize(size), nodeAttribute(node))
}

// element is the same for virDomainSetMetadata, which adds the prefix.
func element(size uint64, node string) string {
	return fmt.Sprintf("<vgpu size=%q%s/>", vmm.FormatSize(size), nodeAttribute(node))
}

func nodeAttribute(node string) string {
	if node == "" {
		return ""
	}
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(node))
	return ` node="` + b.String() + `"`
}
