// SPDX-License-Identifier: Apache-2.0

package system

import (
	"context"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
)

// Security tells what restricts programs beyond permissions: the kernel's lockdown ("none", "integrity",
// "confidentiality"), and the states of SELinux ("off", "permissive", "enforcing") and AppArmor ("off", "on").
func (s *System) Security() (lockdown, selinux, apparmor string) {
	lockdown, selinux, apparmor = "none", "off", "off"
	if _, rest, ok := strings.Cut(s.Text("/sys/kernel/security/lockdown"), "["); ok {
		lockdown, _, _ = strings.Cut(rest, "]")
	}
	switch s.Text("/sys/fs/selinux/enforce") {
	case "0":
		selinux = "permissive"
	case "1":
		selinux = "enforcing"
	}
	if s.Text("/sys/module/apparmor/parameters/enabled") == "Y" {
		apparmor = "on"
	}
	return lockdown, selinux, apparmor
}

// Virtual says whether a hypervisor runs this machine.
func (s *System) Virtual() bool {
	for _, line := range strings.Split(s.Text("/proc/cpuinfo"), "\n") {
		name, flags, _ := strings.Cut(line, ":")
		if strings.TrimSpace(name) == "flags" {
			return slices.Contains(strings.Fields(flags), "hypervisor")
		}
	}
	return false
}

// Service asks systemd for the state of a service: "active", "inactive", "failed". Empty: systemd does not run here.
func (s *System) Service(ctx context.Context, name string) string {
	if !s.Exists("/run/systemd/system") {
		return ""
	}
	state, _ := s.Run(ctx, "systemctl", "is-active", name)
	return state
}

// Gateway returns the address of the default gateway, empty where there is none.
func (s *System) Gateway() string {
	for _, line := range strings.Split(s.Text("/proc/net/route"), "\n") {
		f := strings.Fields(line)
		if len(f) < 4 || f[1] != "00000000" {
			continue
		}
		b, err := hex.DecodeString(f[2])
		if err != nil || len(b) != 4 || b[0]|b[1]|b[2]|b[3] == 0 {
			continue
		}
		slices.Reverse(b)
		return netip.AddrFrom4([4]byte(b)).String()
	}
	return ""
}

// Module says whether a kernel module is loaded or built in.
func (s *System) Module(name string) bool { return s.Exists("/sys/module/" + name) }
