// SPDX-License-Identifier: Apache-2.0

package check

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/guest/check"
	"github.com/orion-vgpu/orion/guest/check/daemon"
	"github.com/orion-vgpu/orion/guest/check/linker"
	"github.com/orion-vgpu/orion/guest/check/pool"
	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/proto/cuda"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/vmm"
)

var refused = errors.New("connection refused")

// healthy is a node with GPUs and virtual machines, where all is well.
func healthy(t *testing.T) *Facts {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.conf")
	if err := os.WriteFile(path, []byte("[server]\nnode_name = a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	status := &poolv1.NodeStatus{State: poolv1.NodeStatus_STATE_READY,
		Node: &poolv1.Node{Name: "a", Gpus: []*poolv1.GPU{{Name: "H200", Uuid: "GPU-1"}}}}
	return &Facts{
		Root: true, Config: c, ConfigPath: path, Service: "active", Socket: true, Mode: 0o666,
		Processes: []system.Process{{PID: 7, Command: "/usr/bin/oriond --worker-user orion-worker"}},
		Answer:    daemon.Answer{Release: release.Version, Commands: cuda.SpecHash},
		Data:      "127.0.0.1:9960", LogDir: "/var/log/orion", SELinux: "off", AppArmor: "on",
		Driver: Driver{Version: "580.1", GPUs: []string{"H200 at 0000:01:00.0"}, Cuda: linker.Found{Path: "/l/libcuda.so.1"}, NVML: linker.Found{Path: "/l/libnvidia-ml.so.1"}},
		Kernel: Kernel{Release: "6.1.0", Major: 6, Minor: 1, ShmBytes: 1 << 34, ShmFree: 1 << 33},
		VM:     VM{Libvirt: "/run/libvirt/libvirt-sock", Version: "9.0.0", KVM: true, VSock: true, Domains: []Domain{{"vm", vmm.Attached, ""}}},
		Pool:   &pool.Pool{Release: "1", Total: 4, Free: 4, Nodes: []*poolv1.NodeStatus{status}},
	}
}

func TestAllIsWell(t *testing.T) {
	t.Parallel()
	f := healthy(t)
	for _, found := range check.Run(Checks(), f) {
		if found.Status != check.Pass || found.Detail == "" {
			t.Errorf("%+v", found)
		}
	}
	said := map[string]any{}
	for _, fact := range f.Information() {
		said[fact.Key] = fact.Value
	}
	if said["driver"] != "580.1" || said["enable_kvm"] != true || said["bind"] != "127.0.0.1" || said["vgpus_free"] != 4 || said["bind_from"] != "default" {
		t.Errorf("got %v", said)
	}
}

// TestDocumented sees that the documentation names each check.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/installation.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| server's check |")
	words := strings.FieldsFunc(table, func(r rune) bool { return strings.ContainsRune(" ,|\n", r) })
	for _, c := range Checks() {
		if !slices.Contains(words, c.Name) {
			t.Errorf("docs/installation.md does not name %s", c.Name)
		}
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	const pass, warn, fail = check.Pass, check.Warn, check.Fail
	for _, c := range []struct {
		name   string
		change func(*Facts)
		check  string
		status check.Status
		words  string
	}{
		{"wrong file", func(f *Facts) { f.Config, f.ConfigErr = nil, errors.New("x.conf:3: no") }, "config", fail, "x.conf:3"},
		{"no driver", func(f *Facts) { f.Driver.Version = "" }, "driver", warn, "software GPUs"},
		{"no driver, and it must be", func(f *Facts) { f.Driver.Version, f.Config.Server.GPUs = "", "cuda" }, "driver", fail, "modprobe nvidia"},
		{"nouveau", func(f *Facts) { f.Driver.Version, f.Driver.Nouveau = "", true }, "driver", fail, "blacklist"},
		{"software GPUs", func(f *Facts) { f.Driver.Version, f.Config.Server.GPUs = "", "softgpu" }, "driver", pass, "softgpu"},
		{"no device nodes", func(f *Facts) { f.Driver.Nodes = []string{"/dev/nvidia-uvm"} }, "devices", fail, "nvidia-modprobe"},
		{"hidden", func(f *Facts) { f.Driver.Hidden = true }, "libraries", fail, "000-orion.conf"},
		{"hidden, without a GPU", func(f *Facts) { f.Driver.Hidden, f.Driver.Version = true, "" }, "libraries", warn, "client library"},
		{"no libcuda", func(f *Facts) { f.Driver.Cuda.Path = "" }, "libraries", fail, "libcuda.so.1"},
		{"no NVML", func(f *Facts) { f.Driver.NVML.Path = "" }, "libraries", fail, "libnvidia-ml.so.1"},
		{"HMM", func(f *Facts) { f.Driver.HMM = true }, "hmm", warn, "uvm_disable_hmm=1"},
		{"HMM, without a GPU", func(f *Facts) { f.Driver.HMM, f.Config.Server.GPUs = true, "softgpu" }, "hmm", pass, ""},
		{"old kernel", func(f *Facts) { f.Kernel.Major, f.Kernel.Minor = 4, 19 }, "kernel", fail, "5.4"},
		{"no pidfd", func(f *Facts) { f.Kernel.PidFD = errors.New("ENOSYS") }, "kernel", fail, "pidfd_open"},
		{"no memfd", func(f *Facts) { f.Kernel.MemFD = errors.New("ENOSYS") }, "kernel", fail, "memfd_create"},
		{"stopped", func(f *Facts) { f.Processes, f.Service = nil, "inactive" }, "oriond", fail, "systemctl start oriond"},
		{"failed", func(f *Facts) { f.Processes, f.Service = nil, "failed" }, "oriond", fail, "journalctl"},
		{"two", func(f *Facts) { f.Processes = append(f.Processes, f.Processes[0]) }, "oriond", warn, "2 oriond"},
		{"no socket", func(f *Facts) { f.Socket, f.AnswerErr = false, fs.ErrNotExist }, "socket", fail, "oriond.sock"},
		{"mute socket", func(f *Facts) { f.AnswerErr = refused }, "socket", fail, "refused"},
		{"closed socket", func(f *Facts) { f.Mode = 0o660 }, "socket", pass, "0660"},
		{"shm off", func(f *Facts) { f.Config.Server.EnableShm = false }, "socket", warn, "enable_shm"},
		{"other commands", func(f *Facts) { f.Answer.Commands++ }, "release", fail, "same release"},
		{"other release", func(f *Facts) { f.Answer.Release = "9" }, "release", warn, "9"},
		{"no worker user", func(f *Facts) { f.WorkerErr = "orion-worker" }, "workers", fail, "systemd-sysusers"},
		{"workers of root", func(f *Facts) { f.Processes[0].Command = "oriond" }, "workers", warn, "--worker-user"},
		{"logs", func(f *Facts) { f.LogErr = fs.ErrPermission }, "logs", fail, "/var/log/orion"},
		{"logs, by another user", func(f *Facts) { f.LogErr, f.Root = fs.ErrPermission, false }, "logs", pass, ""},
		{"no port", func(f *Facts) { f.DataErr = refused }, "port", fail, "127.0.0.1:9960"},
		{"no address", func(f *Facts) { f.Data, f.DataErr = "", errors.New("bind_net: none") }, "port", fail, "bind_net"},
		{"any port", func(f *Facts) { f.Data = "" }, "port", pass, "listen_port = 0"},
		{"no shm", func(f *Facts) { f.Kernel.ShmErr = errors.New("it is not a tmpfs") }, "shm", fail, "mount -t tmpfs"},
		{"full shm", func(f *Facts) { f.Kernel.ShmFree = 1 << 20 }, "shm", warn, "remount"},
		{"no KVM", func(f *Facts) { f.VM.KVM = false }, "kvm", warn, "modprobe kvm"},
		{"kvm off", func(f *Facts) { f.VM.KVM, f.Config.Server.EnableKVM = false, false }, "kvm", pass, "enable_kvm = false"},
		{"no libvirt", func(f *Facts) { f.VM.Libvirt = "" }, "libvirt", pass, "by hand"},
		{"mute libvirt", func(f *Facts) { f.VM.VersionErr = refused }, "libvirt", warn, "restart libvirtd"},
		{"no vhost-vsock", func(f *Facts) { f.VM.VSock = false }, "vhost-vsock", warn, "modprobe vhost_vsock"},
		{"a domain without", func(f *Facts) { f.VM.Domains[0].State, f.VM.Domains[0].Reason = vmm.Failed, "no slot" }, "domains", warn, "oriond vm status vm"},
		{"domains unknown", func(f *Facts) { f.VM.DomainsErr = refused }, "domains", warn, "oriond vm"},
		{"SELinux", func(f *Facts) { f.SELinux, f.AnswerErr = "enforcing", refused }, "security", warn, "ausearch"},
		{"SELinux and a region", func(f *Facts) { f.SELinux, f.VM.Unlabelled = "enforcing", []string{"/dev/shm/orion-1"} }, "security", warn, "/dev/shm/orion-1"},
		{"no RDMA device", func(f *Facts) { f.Config.Server.IbverbsDevice = "mlx5_0" }, "rdma", warn, "mlx5_0"},
		{"no controller", func(f *Facts) { f.Pool, f.PoolErr = nil, refused }, "controller", fail, "controller_addr"},
		{"unknown node", func(f *Facts) { f.Config.Server.NodeName = "b" }, "node", fail, "node b"},
		{"lost node", func(f *Facts) { f.Pool.Nodes[0].State = poolv1.NodeStatus_STATE_LOST }, "node", fail, "lost"},
		{"no GPU", func(f *Facts) { f.Pool.Nodes[0].Node.Gpus = nil }, "node", warn, "no GPU"},
		{"clock", func(f *Facts) { f.Pool.Skew = -time.Minute }, "clock", warn, "1m0s"},
		{"full pool", func(f *Facts) { f.Pool.Free = 0 }, "vgpus", warn, "none of 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := healthy(t)
			c.change(f)
			f.Information()
			for _, found := range check.Run(Checks(), f) {
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
