// SPDX-License-Identifier: Apache-2.0

package client

import (
	"math"

	"github.com/orion-vgpu/orion/guest/check"
)

const reinstall = "sudo ./install-client"

// Checks are those of a client, in the order in which one would mend.
func (f *Facts) Checks() []check.Check[*Facts] {
	checks := []check.Check[*Facts]{
		{Name: "config", Remedy: "edit the file that is named", Judge: configuration},
		{Name: "environment", Remedy: "export ORION_VGPU=1", Judge: environment},
		{Name: "glibc", Remedy: "use a distribution with glibc, such as Debian, Ubuntu, RHEL 7 or newer", Judge: glibc},
		{Name: "library", Remedy: reinstall, Judge: library},
		{Name: "nvml", Remedy: reinstall, Judge: nvml},
		{Name: "others", Remedy: "orion-check runtime client --program PROGRAM", Judge: others},
	}
	if f.Program != "" {
		checks = append(checks, check.Check[*Facts]{Name: "program", Remedy: reinstall, Judge: program})
	}
	return append(checks, []check.Check[*Facts]{
		{Name: "driver", Remedy: "unset LD_LIBRARY_PATH for programs that are to use them", Judge: driver},
		{Name: "limits", Remedy: "ulimit -v unlimited", Judge: limits},
		{Name: "logs", Remedy: "mkdir -p ~/.orion/log", Judge: logs},
		{Name: "security", Remedy: "ausearch -m avc -ts recent", Judge: security},
		{Name: "socket", Remedy: "sudo systemctl start oriond", Judge: socketCheck},
		{Name: "ivshmem", Remedy: "on the host: oriond vm enable DOMAIN", Judge: device},
		{Name: "access", Remedy: reinstall, Judge: access},
		{Name: "mapping", Remedy: "see \"A slow mapping\" in docs/installation.md", Judge: mapping},
		{Name: "vsock", Remedy: "sudo modprobe vmw_vsock_virtio_transport", Judge: vsock},
		{Name: "handshake", Remedy: "on the host, in server.conf: bind_addr and listen_port that this machine reaches, and a firewall that lets it", Judge: handshake},
		{Name: "relay", Remedy: "sudo systemctl start orion-relay", Judge: relay},
		{Name: "carrier", Remedy: "sudo systemctl start oriond, or orion-relay with enable_net = true in /etc/orion/client.conf", Judge: carrier},
		{Name: "release", Remedy: "install the same release on both sides", Judge: releaseMatch},
		{Name: "controller", Remedy: "set controller_addr in /etc/orion/client.conf, or start orion-controller there", Judge: controller},
		{Name: "vgpus", Remedy: "orion-smi shows who holds them", Judge: vgpus},
	}...)
}

func configuration(f *Facts) check.Finding {
	if f.ConfigErr != nil {
		return check.Failed("%v", f.ConfigErr)
	}
	return check.Passed("client.conf is right")
}

func limits(f *Facts) check.Finding {
	if f.AddressSpace != 0 && f.AddressSpace != math.MaxUint64 {
		return check.Warned("the address space is limited to %d MiB: the memory that is shared with oriond may not fit", f.AddressSpace>>20)
	}
	return check.Passed("the address space is not limited")
}

func logs(f *Facts) check.Finding {
	if f.Config != nil && !f.Config.Log.ToFile {
		return check.Passed("none in files (log_to_file = false)")
	}
	if f.LogErr != nil {
		return check.Warned("%s may not write to %s: %v", f.User.Name, f.LogDir, f.LogErr)
	}
	return check.Passed("programs log to %s", f.LogDir)
}

func security(f *Facts) check.Finding {
	if f.SELinux == "enforcing" && len(f.Devices) > 0 && f.Devices[0].Unread != nil && f.Devices[0].Denied == nil {
		return check.Warned("SELinux enforces, and the device cannot be mapped though its permissions allow it")
	}
	return check.Passed("SELinux %s, AppArmor %s, lockdown %s", f.SELinux, f.AppArmor, f.Lockdown)
}

func controller(f *Facts) check.Finding {
	if f.Controller == "" {
		return check.Passed("not asked: the configuration cannot be read")
	}
	if f.PoolErr == nil {
		return check.Passed("orion-controller %s answers at %s", f.Pool.Release, f.Controller)
	}
	network := f.Config != nil && f.Config.EnableNet && f.Config.Server == ""
	switch {
	case network && f.Carrier() == "orion-relay" || network && f.Carrier() == "":
		return check.Failed("%s: %v", f.Controller, f.PoolErr)
	case f.ControllerSet == "default":
		return check.Passed("none at %s, the default; oriond knows its own, and only orion-smi would ask here", f.Controller)
	}
	return check.Warned("%s: %v (programs ask oriond, which knows its own)", f.Controller, f.PoolErr)
}

func vgpus(f *Facts) check.Finding {
	if f.Pool == nil {
		return check.Passed("not known: no controller answers here")
	}
	p := f.Pool
	switch {
	case p.Total == 0:
		return check.Warned("the pool has no GPU").By("start oriond on machines with GPUs")
	case p.Free == 0:
		return check.Warned("none of %d is free", p.Total)
	}
	return check.Passed("%d of %d are free", p.Free, p.Total)
}
