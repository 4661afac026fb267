// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"io/fs"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/guest/check/ivshmem"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Carrier says how programs here reach a GPU, in the order in which the library tries; empty: not at all.
func (f *Facts) Carrier() string {
	switch {
	case f.Daemon.Answers() && !f.Daemon.Denied:
		return "shared memory of this host"
	case f.deviceServes():
		return "ivshmem device"
	case f.Relay.Answers() && !f.Relay.Denied:
		return "orion-relay"
	}
	return ""
}

func (f *Facts) deviceServes() bool {
	d := f.Device()
	return d != nil && d.Version == wire.Version && d.Denied == nil && (f.VSock.Host.Answers() || f.TCP.Answers())
}

// reached is the endpoint of the carrier.
func (f *Facts) reached() *Endpoint {
	for _, e := range []*Endpoint{&f.Daemon, &f.VSock.Host, &f.TCP, &f.Relay} {
		if e.Answers() {
			return e
		}
	}
	return nil
}

func carrier(f *Facts) check.Finding {
	if c := f.Carrier(); c != "" {
		return check.Passed("programs reach vGPUs by %s", c)
	}
	none := check.Failed("programs have no way to a vGPU: no oriond on this host, no usable ivshmem device, no orion-relay")
	switch {
	case f.Daemon.Exists || f.Relay.Exists || len(f.Devices) > 0:
		return none.By("mend what failed above")
	case f.Virtual:
		return none.By("on the host: oriond vm enable DOMAIN; or here: systemctl start orion-relay")
	}
	return none
}

func socketCheck(f *Facts) check.Finding {
	e := &f.Daemon
	bad := check.Failed
	if f.Carrier() != "" { // programs pass over a socket that they cannot connect to
		bad = check.Warned
	}
	switch {
	case e.Address == "":
		return check.Passed("not looked for: the configuration cannot be read")
	case !e.Exists:
		return check.Passed("no oriond on this host: %s is not there", e.Address)
	case e.Denied:
		return bad("%s may not use %s: it has the mode %04o and the group %s", f.User.Name, e.Address, e.Mode, e.Group).
			By("sudo usermod -aG %s %s, and log in again", e.Group, f.User.Name)
	case e.Err != nil:
		return bad("nobody answers at %s: %v", e.Address, e.Err)
	}
	return check.Passed("oriond %s answers at %s", e.Answer.Release, e.Address)
}

func relay(f *Facts) check.Finding {
	e := &f.Relay
	needed := !f.Daemon.Answers() && !f.deviceServes()
	bad := check.Warned
	if needed {
		bad = check.Failed
	}
	switch {
	case e.Address == "":
		return check.Passed("not looked for: the configuration cannot be read")
	case !e.Exists && !needed:
		return check.Passed("not running, and not needed")
	case !e.Exists:
		return bad("orion-relay is not running: %s is not there", e.Address)
	case e.Denied:
		return bad("%s may not use %s: it has the mode %04o and the group %s", f.User.Name, e.Address, e.Mode, e.Group).
			By("sudo usermod -aG %s %s, and log in again", e.Group, f.User.Name)
	case e.Err != nil && !needed:
		return check.Passed("orion-relay runs and reaches no oriond, which is not needed here")
	case e.Err != nil:
		return bad("orion-relay runs, but: %v", e.Err).By("journalctl -u orion-relay says why")
	}
	return check.Passed("orion-relay %s answers at %s, and reaches an oriond", e.Answer.Release, e.Address)
}

func device(f *Facts) check.Finding {
	d := f.Device()
	switch {
	case d != nil && d.Version != wire.Version:
		return check.Failed("device %s speaks protocol %d, and this release %d", d.Address, d.Version, wire.Version).
			By("install the same release on both sides")
	case d != nil:
		return check.Passed("device %s has %d MiB, which the host's oriond serves", d.Address, d.Size>>20)
	case len(f.Devices) == 0 && f.Virtual && !f.Daemon.Answers():
		return check.Warned("this virtual machine has no ivshmem device: without, programs are slower or do not run")
	case len(f.Devices) == 0:
		return check.Passed("no ivshmem device, and none is needed on this host")
	}
	d = &f.Devices[0]
	switch {
	case errors.Is(d.Unread, fs.ErrNotExist):
		return check.Failed("device %s found no addresses for its memory", d.Address).
			By("sudo %s/grant-device; if that does not help, restart this virtual machine", Folder)
	case d.Off:
		return check.Failed("the memory of device %s is switched off", d.Address).By("sudo %s/grant-device", Folder)
	case d.Unread != nil && f.Lockdown != "none":
		return check.Failed("the kernel's lockdown (%s) forbids to map device %s: %v", f.Lockdown, d.Address, d.Unread).
			By("switch Secure Boot off for this virtual machine")
	case d.Unread != nil && d.Denied == nil:
		return check.Failed("device %s cannot be mapped: %v", d.Address, d.Unread)
	case d.Unread != nil:
		return check.Warned("device %s: its memory is closed to %s", d.Address, f.User.Name).By("see access")
	}
	return check.Warned("device %s has no header of oriond's: it serves something else, or oriond does not know of it", d.Address)
}

func access(f *Facts) check.Finding {
	if len(f.Devices) == 0 {
		return check.Passed("no device to be let at")
	}
	d := f.Device()
	if d == nil {
		d = &f.Devices[0]
	}
	if d.Denied == nil {
		if f.Udev && !f.UdevRule {
			return check.Warned("%s may use device %s, but there is no udev rule: after the next start it may not", f.User.Name, d.Address)
		}
		return check.Passed("%s may use device %s (group %s)", f.User.Name, d.Address, d.Group)
	}
	denied := check.Failed("%s may not use device %s, whose memory belongs to group %s", f.User.Name, d.Address, d.Group)
	switch {
	case errors.Is(d.Denied, fs.ErrNotExist):
		return check.Failed("device %s has no memory that %s could use", d.Address, f.User.Name).By("see ivshmem")
	case !f.Group:
		return denied
	case d.Group != "orion":
		return denied.By("sudo %s/grant-device", Folder)
	case f.InGroup && !f.GroupInUse:
		return denied.By("log in again, or run: newgrp orion")
	}
	return denied.By("sudo usermod -aG orion %s, and log in again", f.User.Name)
}

func mapping(f *Facts) check.Finding {
	if f.Device() == nil {
		return check.Passed("no device to measure")
	}
	best, ok := f.Device().Best()
	if !ok {
		return check.Passed("not measured: %v", f.Measure)
	}
	if min(best.Write, best.Read) < ivshmem.Slow {
		return check.Warned("the faster mapping, %s, writes %.2f GB/s and reads %.2f GB/s", best.File, best.Write/1e9, best.Read/1e9)
	}
	return check.Passed("%s writes %.1f GB/s and reads %.1f GB/s", best.File, best.Write/1e9, best.Read/1e9)
}

func vsock(f *Facts) check.Finding {
	v := &f.VSock
	switch {
	case !v.Device && f.Device() != nil && f.TCP.Answers():
		return check.Passed("no vsock; the host is reached by TCP")
	case !v.Device && f.Virtual && f.Carrier() == "":
		return check.Warned("no vsock: /dev/vsock is not there")
	case !v.Device:
		return check.Passed("no vsock, and none is needed")
	case v.Host.Exists && v.Host.Err != nil:
		return check.Passed("address %d; the host does not answer by it: %v", v.CID, v.Host.Err)
	}
	return check.Passed("address %d", v.CID)
}

func handshake(f *Facts) check.Finding {
	d := f.Device()
	switch {
	case d == nil:
		return check.Passed("no device to claim")
	case f.VSock.Host.Answers():
		return check.Passed("oriond %s answers by vsock", f.VSock.Host.Answer.Release)
	case f.TCP.Answers():
		return check.Passed("oriond %s answers by TCP at %s", f.TCP.Answer.Release, f.TCP.Address)
	case d.Port == 0:
		return check.Failed("oriond listens neither on TCP nor on vsock")
	case f.TCP.Address == "":
		return check.Failed("no vsock to the host, and no default gateway to reach it by TCP")
	case f.VSock.Host.Err != nil:
		return check.Failed("the host's oriond answers neither by vsock (%v) nor by TCP (%v)", f.VSock.Host.Err, f.TCP.Err)
	}
	return check.Failed("the host's oriond does not answer by TCP: %v", f.TCP.Err)
}
