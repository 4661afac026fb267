// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"fmt"
	"slices"
	"strings"

	"libvirt.org/go/libvirt"

	"github.com/orion-vgpu/orion/vmm"
)

// Enable opts a domain in, for this run and for later ones. The oriond that watches uri does the rest.
func Enable(uri, name string, size uint64, node string) (Change, error) {
	if err := vmm.CheckSize(size); err != nil {
		return Change{}, err
	}
	c, err := setMetadata(uri, name, element(size, node))
	if err != nil {
		return c, fmt.Errorf("opt domain %s in: %w", name, err)
	}
	return c, nil
}

// Disable takes the opting in back. The oriond that watches uri detaches the device of a running domain.
func Disable(uri, name string) (Change, error) {
	c, err := setMetadata(uri, name, "")
	if is(err, libvirt.ERR_NO_DOMAIN_METADATA) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("take opting in of domain %s back: %w", name, err)
	}
	return c, nil
}

// setMetadata sets Orion's element, or removes it where text is empty.
func setMetadata(uri, name, text string) (c Change, err error) {
	conn, err := connect(uri)
	if err != nil {
		return c, err
	}
	defer conn.Close()
	d, err := conn.LookupDomainByName(name)
	if err != nil {
		return c, err
	}
	defer d.Free()
	if c.Running, err = d.IsActive(); err != nil {
		return c, err
	}
	persistent, err := d.IsPersistent()
	if err != nil {
		return c, err
	}
	described, err := describe(d, 0)
	if err != nil {
		return c, err
	}
	c.Advice = described.advice()
	// One after the other: removing from a place without the element is an error that must not keep the other.
	set := func(where libvirt.DomainModificationImpact) error {
		err := d.SetMetadata(libvirt.DOMAIN_METADATA_ELEMENT, text, "orion", Namespace, where)
		if text == "" && is(err, libvirt.ERR_NO_DOMAIN_METADATA) {
			return nil
		}
		return err
	}
	if persistent {
		if err := set(libvirt.DOMAIN_AFFECT_CONFIG); err != nil {
			return c, err
		}
	}
	if c.Running {
		if err := set(libvirt.DOMAIN_AFFECT_LIVE); err != nil {
			return c, err
		}
	}
	return c, nil
}

// List returns all domains that opted in, by name, and those whose opting in cannot be understood.
func List(uri string) ([]Domain, error) {
	conn, err := connect(uri)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	all, err := conn.ListAllDomains(0)
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	var out []Domain
	for _, d := range all {
		if found, ok := optedIn(&d); ok {
			out = append(out, found)
		}
		d.Free()
	}
	slices.SortFunc(out, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func optedIn(d *libvirt.Domain) (Domain, bool) {
	described, err := describe(d, 0)
	if err != nil || described.Metadata.OptIn == nil {
		return Domain{}, false // undefined in between
	}
	running, err := d.IsActive()
	if err != nil {
		return Domain{}, false
	}
	m := described.machine()
	return Domain{Name: m.Name, UUID: m.UUID, Running: running, Size: m.Size, Node: m.Node, Fault: m.Fault}, true
}

func connect(uri string) (*libvirt.Connect, error) {
	conn, err := libvirt.NewConnect(uri)
	if err != nil {
		return nil, fmt.Errorf("connect to libvirt at %s: %w", uri, err)
	}
	return conn, nil
}
