// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/vmm"
)

// VM is what virtual machines need.
type VM struct {
	Libvirt    string // its socket; empty: it is not there
	Version    string // of libvirt, by virsh; empty: unknown
	VersionErr error
	KVM        bool
	VSock      bool // /dev/vhost-vsock
	Domains    []Domain
	DomainsErr error
	Regions    []string // files of regions
	Unlabelled []string // those that SELinux knows for no virtual machine's
}

// Domain is a virtual machine that has opted in.
type Domain struct {
	Name   string    `json:"name"`
	State  vmm.State `json:"state"`
	Reason string    `json:"reason"`
}

// sockets of libvirt, of its daemon for QEMU alone and of the one for all.
var libvirtSockets = []string{"/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock", "/var/run/libvirt/libvirt-sock"}

func machines(ctx context.Context, s *system.System, f *Facts) VM {
	v := VM{KVM: s.Exists("/dev/kvm"), VSock: s.Exists("/dev/vhost-vsock"), Regions: s.Glob("/dev/shm/orion-*")}
	for _, path := range v.Regions {
		label := make([]byte, 256)
		n, err := unix.Lgetxattr(s.Path(path), "security.selinux", label)
		if err == nil && !strings.Contains(string(label[:n]), "svirt") {
			v.Unlabelled = append(v.Unlabelled, path)
		}
	}
	for _, path := range libvirtSockets {
		if v.Libvirt == "" && s.Exists(path) {
			v.Libvirt = path
		}
	}
	if v.Libvirt != "" {
		var out string
		out, v.VersionErr = s.Run(ctx, "virsh", "-c", f.Config.Server.LibvirtURI, "version")
		for _, line := range strings.Split(out, "\n") {
			if _, version, ok := strings.Cut(line, "Using API: QEMU "); ok {
				v.Version = version
			} else if _, version, ok := strings.Cut(line, "Using library: libvirt "); ok {
				v.Version = version
			}
		}
	}
	args := []string{"vm", "list", "-o", "json"}
	if f.ConfigPath != "" {
		args = append(args, "--config", f.ConfigPath)
	}
	oriond := "oriond"
	if len(f.Processes) > 0 {
		if path, _, _ := strings.Cut(f.Processes[0].Command, " "); strings.HasPrefix(path, "/") {
			oriond = path
		}
	}
	out, err := s.Run(ctx, oriond, args...)
	if err == nil {
		err = json.Unmarshal([]byte(out), &v.Domains)
	}
	v.DomainsErr = err
	return v
}
