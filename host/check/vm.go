// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/orion-vgpu/orion/guest/check/system"
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
}

// Domain is a virtual machine that has opted in.
type Domain struct {
	Name  string
	State string
	Why   string // its device is not attached; empty: it is
}

// sockets of libvirt, of its daemon for QEMU alone and of the one for all.
var libvirtSockets = []string{"/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock", "/var/run/libvirt/libvirt-sock"}

func machines(ctx context.Context, s *system.System, conf string) VM {
	v := VM{KVM: s.Exists("/dev/kvm"), VSock: s.Exists("/dev/vhost-vsock"), Regions: s.Glob("/dev/shm/orion-*")}
	for _, path := range libvirtSockets {
		if v.Libvirt == "" && s.Exists(path) {
			v.Libvirt = path
		}
	}
	if v.Libvirt != "" {
		var out string
		out, v.VersionErr = s.Run(ctx, "virsh", "-c", "qemu:///system", "version")
		for _, line := range strings.Split(out, "\n") {
			if _, version, ok := strings.Cut(line, "Using API: QEMU "); ok {
				v.Version = version
			} else if _, version, ok := strings.Cut(line, "Using library: libvirt "); ok {
				v.Version = version
			}
		}
	}
	args := []string{"vm", "list", "-o", "json"}
	if conf != "" {
		args = append(args, "--config", conf)
	}
	out, err := s.Run(ctx, "oriond", args...)
	if v.DomainsErr = err; err == nil {
		v.Domains, v.DomainsErr = parseDomains(out)
	}
	return v
}

// parseDomains reads the answer of oriond vm list -o json.
func parseDomains(text string) ([]Domain, error) {
	var list []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		Why   string `json:"reason"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	var domains []Domain
	for _, d := range list {
		domains = append(domains, Domain{d.Name, d.State, d.Why})
	}
	return domains, nil
}
