// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/guest/check/daemon"
	"github.com/orion-vgpu/orion/guest/check/ivshmem"
	"github.com/orion-vgpu/orion/guest/check/linker"
	"github.com/orion-vgpu/orion/guest/check/pool"
	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/guest/config"
	"github.com/orion-vgpu/orion/proto/wire"
)

var refused = errors.New("connection refused")

func configOf(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "client.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answering(address string) Endpoint {
	return Endpoint{Address: address, Exists: true, Mode: 0o666, Answer: daemon.Answer{Release: "1.2", Commands: 7}}
}

// host is one with an oriond, where all is well.
func host(t *testing.T) *Facts {
	return &Facts{
		User: system.User{Name: "bob", UID: 1000}, Config: configOf(t, ""), VGPU: "1", Demand: config.Demand{VGPUs: 1},
		Libc:    Libc{Path: "/lib/libc.so.6", Major: 2, Minor: 36},
		Library: Library{linker.Found{Path: Folder + "/libcuda.so.1", By: "ldconfig"}, "1.2", 7},
		NVML:    Library{linker.Found{Path: Folder + "/libnvidia-ml.so.1", By: "ldconfig"}, "1.2", 0},
		Daemon:  answering("/run/orion/oriond.sock"), Relay: Endpoint{Address: "/run/orion/relay.sock", Err: fs.ErrNotExist},
		Installed: true, Configured: true, AddressSpace: math.MaxUint64, Lockdown: "none", SELinux: "off", AppArmor: "off",
		Controller: "127.0.0.1:9123", ControllerSet: "default", Pool: &pool.Pool{Release: "1.2", Total: 8, Free: 7},
	}
}

// guest is a virtual machine with a device, where all is well.
func guest(t *testing.T) *Facts {
	f := host(t)
	f.Virtual, f.Udev, f.UdevRule, f.Group, f.InGroup, f.GroupInUse = true, true, true, true, true, true
	f.Daemon = Endpoint{Address: "/run/orion/oriond.sock", Err: fs.ErrNotExist}
	f.Devices = []ivshmem.Device{{Address: "0000:00:05.0", Size: 256 << 20, Group: "orion", Ours: true, Version: wire.Version, Port: 9960,
		Speeds: []ivshmem.Speed{{File: "resource2", Write: 9e9, Read: 8e9}}}}
	f.VSock.Host = Endpoint{Address: "9960", Exists: true, Err: errors.New("no such device")}
	f.TCP = answering("10.0.2.2:9960")
	f.Pool, f.PoolErr = nil, refused
	return f
}

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*Facts{"host": host(t), "guest": guest(t)} {
		for _, found := range check.Run(f.Checks(), f) {
			if found.Status != check.Pass || found.Detail == "" {
				t.Errorf("%s: %+v", name, found)
			}
		}
		if f.Carrier() != map[string]string{"host": "shared memory of this host", "guest": "ivshmem device"}[name] {
			t.Errorf("%s: the carrier is %q", name, f.Carrier())
		}
		for _, fact := range f.Information() {
			if fact.Key == "" || fact.Label == "" {
				t.Errorf("%s: %+v", name, fact)
			}
		}
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	const pass, warn, fail = check.Pass, check.Warn, check.Fail
	for _, c := range []struct {
		name   string
		facts  func(*testing.T) *Facts
		change func(*Facts)
		check  string
		status check.Status
		words  string // of detail and remedy
	}{
		{"wrong file", host, func(f *Facts) { f.Config, f.ConfigErr = nil, errors.New("x.conf:3: no") }, "config", fail, "x.conf:3"},
		{"no variable", host, func(f *Facts) { f.VGPU = "" }, "environment", warn, "export ORION_VGPU=1"},
		{"wrong variable", host, func(f *Facts) { f.VGPU, f.DemandErr = "x", errors.New("ORION_VGPU is \"x\"") }, "environment", fail, "ORION_VGPU"},
		{"musl", host, func(f *Facts) { f.Libc.Err = errors.New("there is no libc.so.6") }, "glibc", fail, "Debian"},
		{"old glibc", host, func(f *Facts) { f.Libc.Minor = 12 }, "glibc", fail, "2.12"},
		{"glibc of RHEL 7", host, func(f *Facts) { f.Libc.Minor = 17 }, "glibc", pass, "2.17"},
		{"not installed", host, func(f *Facts) { f.Library, f.Installed, f.Configured = Library{}, false, false }, "library", fail, "./install-client"},
		{"ldconfig forgotten", host, func(f *Facts) { f.Library = Library{} }, "library", fail, "sudo ldconfig"},
		{"without ldconfig", host, func(f *Facts) { f.Library, f.Configured = Library{}, false }, "library", fail, "export LD_LIBRARY_PATH=/usr/lib/orion"},
		{"NVIDIA's first", host, func(f *Facts) {
			f.Library = Library{Found: linker.Found{Path: "/usr/lib/libcuda.so.1", By: "LD_LIBRARY_PATH"}}
		}, "library", fail, "/usr/lib/libcuda.so.1 (LD_LIBRARY_PATH), which is not Orion's"},
		{"NVIDIA's NVML", host, func(f *Facts) { f.NVML.Release = "" }, "nvml", warn, "not Orion's"},
		{"stale NVML", host, func(f *Facts) { f.NVML.Release = "1.1" }, "nvml", fail, "1.1"},
		{"others", host, func(f *Facts) { f.Others = []string{"/usr/local/cuda/compat/libcuda.so.1"} }, "others", warn, "cuda/compat"},
		{"program's rpath", host, func(f *Facts) {
			f.Program = "/p"
			f.Uses = []Use{{linker.Use{Object: "/p", Found: linker.Found{Path: "/x/libcuda.so.1", By: "RPATH of /lib/libcudart.so"}}, false}}
		}, "program", fail, "patchelf --remove-rpath /lib/libcudart.so"},
		{"program's runpath", host, func(f *Facts) {
			f.Program = "/p"
			f.Uses = []Use{{linker.Use{Object: "/p", Found: linker.Found{Path: "/x/libcuda.so.1", By: "RUNPATH of /p"}}, false}}
		}, "program", fail, "export LD_LIBRARY_PATH"},
		{"right program", host, func(f *Facts) {
			f.Program = "/p"
			f.Uses = []Use{{linker.Use{Object: "/p", Found: linker.Found{Path: "/o/libcuda.so.1", By: "ldconfig"}}, true}}
		}, "program", pass, "/p gets Orion's"},
		{"no program", host, func(f *Facts) { f.Program, f.ProgramErr = "/p", errors.New("bad magic") }, "program", fail, "--program"},
		{"driver", host, func(f *Facts) { f.NVIDIADriver = "580.1" }, "driver", warn, "580.1"},
		{"address space", host, func(f *Facts) { f.AddressSpace = 4 << 30 }, "limits", warn, "ulimit -v unlimited"},
		{"home", host, func(f *Facts) { f.LogDir, f.LogErr = "/h/.orion/log", fs.ErrPermission }, "logs", warn, "/h/.orion/log"},
		{"socket's group", host, func(f *Facts) {
			f.Daemon.Denied, f.Daemon.Mode, f.Daemon.Group, f.Daemon.Err = true, 0o660, "gpus", fs.ErrPermission
		}, "socket", fail, "sudo usermod -aG gpus bob"},
		{"socket denied, device serves", guest, func(f *Facts) { f.Daemon = Endpoint{Address: "/s", Exists: true, Denied: true, Err: fs.ErrPermission} }, "socket", warn, "may not use /s"},
		{"oriond ended", host, func(f *Facts) { f.Daemon.Err = refused }, "socket", fail, "systemctl start oriond"},
		{"nothing at all", host, func(f *Facts) { f.Daemon.Err = refused }, "carrier", fail, "no way"},
		{"other commands", host, func(f *Facts) { f.Daemon.Answer.Commands = 8 }, "release", fail, "same release"},
		{"oriond behind the relay of another release", guest, func(f *Facts) {
			f.Devices, f.TCP, f.Relay = nil, Endpoint{}, answering("/r")
			f.Relay.Answer.Status, f.Relay.Answer.Message = daemon.Mismatch, "oriond 0.9, client 1.2"
		}, "release", fail, "oriond 0.9"},
		{"guest of another release", guest, func(f *Facts) { f.TCP.Answer.Commands = 8 }, "release", fail, "same release"},

		{"no device", guest, func(f *Facts) { f.Devices, f.TCP = nil, Endpoint{} }, "ivshmem", warn, "oriond vm enable DOMAIN"},
		{"foreign device", guest, func(f *Facts) { f.Devices[0].Ours = false }, "ivshmem", warn, "no header"},
		{"device off", guest, func(f *Facts) { f.Devices[0].Ours, f.Devices[0].Off = false, true }, "ivshmem", fail, "sudo /usr/lib/orion/grant-device"},
		{"lockdown", guest, func(f *Facts) {
			f.Devices[0].Ours, f.Devices[0].Unread, f.Lockdown = false, fs.ErrPermission, "integrity"
		}, "ivshmem", fail, "Secure Boot"},
		{"unmapped", guest, func(f *Facts) { f.Devices[0].Ours, f.Devices[0].Unread = false, errors.New("map: EINVAL") }, "ivshmem", fail, "EINVAL"},
		{"SELinux", guest, func(f *Facts) { f.Devices[0].Unread, f.SELinux = fs.ErrPermission, "enforcing" }, "security", warn, "ausearch"},
		{"device's protocol", guest, func(f *Facts) { f.Devices[0].Version = 99 }, "ivshmem", fail, "99"},
		{"closed device", guest, func(f *Facts) { f.Devices[0].Denied, f.InGroup, f.GroupInUse = fs.ErrPermission, false, false }, "access", fail, "sudo usermod -aG orion bob"},
		{"group not in effect", guest, func(f *Facts) { f.Devices[0].Denied, f.GroupInUse = fs.ErrPermission, false }, "access", fail, "newgrp orion"},
		{"not granted", guest, func(f *Facts) { f.Devices[0].Denied, f.Devices[0].Group = fs.ErrPermission, "root" }, "access", fail, "grant-device"},
		{"no group", guest, func(f *Facts) { f.Devices[0].Denied, f.Group = fs.ErrPermission, false }, "access", fail, "./install-client"},
		{"no memory", guest, func(f *Facts) { f.Devices[0].Denied = fs.ErrNotExist }, "access", fail, "see ivshmem"},
		{"no addresses", guest, func(f *Facts) { f.Devices[0].Ours, f.Devices[0].Unread = false, fs.ErrNotExist }, "ivshmem", fail, "restart"},
		{"no rule", guest, func(f *Facts) { f.UdevRule = false }, "access", warn, "./install-client"},
		{"slow", guest, func(f *Facts) { f.Devices[0].Speeds[0].Read = 5e7 }, "mapping", warn, "0.05 GB/s"},
		{"not measured", guest, func(f *Facts) { f.Devices[0].Speeds, f.Measure = nil, fs.ErrPermission }, "mapping", pass, "not measured"},
		{"vsock answers", guest, func(f *Facts) { f.VSock.Host, f.TCP = answering("9960"), Endpoint{} }, "handshake", pass, "by vsock"},
		{"oriond of the host away", guest, func(f *Facts) { f.TCP.Err = refused }, "handshake", fail, "listen_port"},
		{"no route", guest, func(f *Facts) { f.TCP = Endpoint{} }, "handshake", fail, "no default gateway"},
		{"oriond without port", guest, func(f *Facts) { f.Devices[0].Port, f.TCP = 0, Endpoint{} }, "handshake", fail, "neither"},
		{"nothing in a guest", guest, func(f *Facts) { f.Devices, f.TCP = nil, Endpoint{} }, "carrier", fail, "oriond vm enable"},

		{"relay alone", guest, func(f *Facts) { f.Devices, f.Relay = nil, answering("/r") }, "carrier", pass, "orion-relay"},
		{"relay needed", guest, func(f *Facts) { f.Devices = nil }, "relay", fail, "systemctl start orion-relay"},
		{"relay reaches nobody", guest, func(f *Facts) { f.Devices, f.Relay = nil, Endpoint{Address: "/r", Exists: true, Err: refused} }, "relay", fail, "journalctl"},
		{"relay idle", guest, func(f *Facts) { f.Relay = Endpoint{Address: "/r", Exists: true, Err: refused} }, "relay", pass, "not needed"},
		{"relay closed", guest, func(f *Facts) {
			f.Devices, f.Relay = nil, Endpoint{Address: "/r", Exists: true, Denied: true, Group: "g", Err: fs.ErrPermission}
		}, "relay", fail, "usermod -aG g bob"},

		{"controller named", host, func(f *Facts) { f.Pool, f.PoolErr, f.ControllerSet = nil, refused, "client.conf:2" }, "controller", warn, "refused"},
		{"controller needed", guest, func(f *Facts) { f.Devices, f.Config.EnableNet, f.ControllerSet = nil, true, "client.conf:2" }, "controller", fail, "controller_addr"},
		{"empty pool", host, func(f *Facts) { f.Pool = &pool.Pool{} }, "vgpus", warn, "no GPU"},
		{"full pool", host, func(f *Facts) { f.Pool.Free = 0 }, "vgpus", warn, "none of 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := c.facts(t)
			c.change(f)
			for _, found := range check.Run(f.Checks(), f) {
				if found.Name != c.check {
					continue
				}
				if found.Status != c.status || !strings.Contains(found.Detail+" -> "+found.Remedy, c.words) {
					t.Errorf("got %+v, want %v with %q", found, c.status, c.words)
				}
				if found.Status != pass && found.Remedy == "" {
					t.Errorf("nothing mends %+v", found)
				}
				return
			}
			t.Errorf("there is no check %s", c.check)
		})
	}
}

// TestDocumented sees that the documentation names each check.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/installation.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| client's check |")
	table, _, _ = strings.Cut(table, "| server's check |")
	words := strings.FieldsFunc(table, func(r rune) bool { return strings.ContainsRune(" ,|\n", r) })
	f := host(t)
	f.Program = "/p"
	for _, c := range f.Checks() {
		if !slices.Contains(words, c.Name) {
			t.Errorf("docs/installation.md does not name %s", c.Name)
		}
	}
}

func TestNVIDIAVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:11:44 UTC 2025\nGCC version: 12.2.0": "580.65.06",
		"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.1  Release Build":                                "570.1",
		"something": "of unknown version",
	} {
		if got := nvidiaVersion(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
