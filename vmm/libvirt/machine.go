// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"libvirt.org/go/libvirt"

	"github.com/orion-vgpu/orion/vmm"
)

// Machine implements vmm.Hypervisor.
func (h *hypervisor) Machine(ctx context.Context, name string) (vmm.Machine, error) {
	var m vmm.Machine // written later too, by a call that ctx has left behind
	err := h.call(ctx, name, func(d *libvirt.Domain) error {
		id, err := d.GetID() // another one after each start; an error when it does not run
		if err != nil {
			if active, e := d.IsActive(); e == nil && !active {
				return vmm.ErrGone
			}
			return err
		}
		described, err := describe(d, 0)
		if err != nil {
			return err
		}
		m = described.machine()
		m.Run = fmt.Sprint(id)
		return nil
	})
	switch {
	case err == nil:
		return m, nil
	case is(err, libvirt.ERR_NO_DOMAIN), errors.Is(err, vmm.ErrGone):
		return vmm.Machine{}, vmm.ErrGone
	}
	return vmm.Machine{}, fmt.Errorf("look at domain %s: %w", name, err)
}

func describe(d *libvirt.Domain, flags libvirt.DomainXMLFlags) (domain, error) {
	text, err := d.GetXMLDesc(flags)
	if err != nil {
		return domain{}, err
	}
	return parse(text)
}

// Attach implements vmm.Hypervisor.
func (h *hypervisor) Attach(ctx context.Context, name string, device vmm.Device) error {
	if err := vmm.CheckSize(device.Size); err != nil {
		return fmt.Errorf("attach device: %w", err) // QEMU would end
	}
	return h.call(ctx, name, func(d *libvirt.Domain) error {
		failed := d.AttachDeviceFlags(deviceXML(device), libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
		if failed == nil {
			return nil
		}
		failed = fmt.Errorf("attach device: %w", failed)
		described, err := describe(d, 0)
		if err != nil {
			return failed
		}
		if advice := described.advice(); advice != "" {
			return &vmm.HotplugError{Err: failed, Advice: advice}
		}
		if strings.Contains(failed.Error(), "No more available PCI slots") {
			return &vmm.HotplugError{Err: failed, Advice: described.full()}
		}
		return failed
	})
}

// Detach implements vmm.Hypervisor.
func (h *hypervisor) Detach(ctx context.Context, name string, device vmm.Device) error {
	return h.call(ctx, name, func(d *libvirt.Domain) error {
		err := d.DetachDeviceFlags(deviceXML(device), libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
		if err != nil && !strings.Contains(err.Error(), "already in the process of unplug") {
			return fmt.Errorf("detach device: %w", err)
		}
		return nil
	})
}

// AttachVsock implements vmm.Hypervisor.
func (h *hypervisor) AttachVsock(ctx context.Context, name string) error {
	return h.call(ctx, name, func(d *libvirt.Domain) error {
		err := d.AttachDeviceFlags("<vsock model='virtio'><cid auto='yes'/></vsock>", libvirt.DOMAIN_DEVICE_MODIFY_LIVE)
		if err != nil {
			return fmt.Errorf("attach vsock: %w", err)
		}
		return nil
	})
}
