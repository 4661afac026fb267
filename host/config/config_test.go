// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/keyfile"
	"github.com/orion-vgpu/orion/host/logging"
)

func load(t *testing.T, text string) (*Config, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	return c, path, err
}

func TestDefaults(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Log: logging.Config{WithTime: true, ToScreen: true, ToFile: true, Level: "INFO", FileLevel: "INFO",
			Dir: "/var/log/orion", File: "server.log"},
		Controller: "127.0.0.1:9123",
		Server: Server{VGPUCount: 4, BindAddr: "127.0.0.1", ListenPort: 9960, LibvirtURI: "qemu:///system", EnableKVM: true, EnableShm: true, EnableRDMA: true,
			Socket: "/run/orion/oriond.sock", GPUs: "auto", SoftGPUDevices: 2, SoftGPUMemoryMiB: 4096, NodeName: host, MaxSessions: 256, HostMemoryMiB: -1, StandbyWorkers: -1},
		NCCL:     NCCL{CommID: "127.0.0.1:9970"},
		Throttle: Throttle{Level: 100, EnableCompute: true, ComputationMode2: true},
	}
	for key := range c.sources {
		section, name, _ := strings.Cut(key, ".")
		if from := c.Source(section, name); from != "default" {
			t.Errorf("%s is from %q", key, from)
		}
	}
	c.sources = nil
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
	if a, err := c.Server.DataAddress(); err != nil || a != "127.0.0.1:9960" {
		t.Errorf("data address is %q, %v", a, err)
	}
}

func TestEveryKeyTakesEffect(t *testing.T) {
	c, _, err := load(t, `
[log]
log_with_time = false
log_to_screen = false
log_to_file = false
log_level = DEBUG
file_log_level = ERROR
log_dir = /tmp/x
[controller]
controller_addr = ctl:1
[server]
vgpu_count = 8
bind_net = 127.0.0.0/8
listen_port = 1
enable_kvm = false
vsock_sockets = /a_9960, /b_9960
libvirt_uri = qemu:///session
enable_shm = false
enable_rdma = false
ibverbs_device = mlx5_0
socket = /tmp/o.sock
gpus = SoftGPU
gpu_ids = 0, GPU-0a1b2c3d-0000-8000-8000-0123456789AB
softgpu_devices = 3
softgpu_memory_mib = 128
node_name = n1
max_sessions = 9
host_memory_mib = 512
[server-nccl]
comm_id = [::1]:2
[throttle]
throttle_level = 50
enable_computation_throttle = false
computation_throttle_mode2 = false
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Log:        logging.Config{Level: "DEBUG", FileLevel: "ERROR", Dir: "/tmp/x", File: "server.log"},
		Controller: "ctl:1",
		Server: Server{VGPUCount: 8, BindAddr: "127.0.0.1", BindNet: "127.0.0.0/8", ListenPort: 1, VsockSockets: []string{"/a_9960", "/b_9960"}, LibvirtURI: "qemu:///session", IbverbsDevice: "mlx5_0",
			Socket: "/tmp/o.sock", GPUs: "softgpu", GPUIDs: []string{"0", "GPU-0a1b2c3d-0000-8000-8000-0123456789AB"}, SoftGPUDevices: 3, SoftGPUMemoryMiB: 128, NodeName: "n1", MaxSessions: 9, HostMemoryMiB: 512, StandbyWorkers: -1},
		NCCL:     NCCL{CommID: "[::1]:2"},
		Throttle: Throttle{Level: 50},
	}
	if from := c.Source("server", "enable_kvm"); !strings.Contains(from, "server.conf:") {
		t.Errorf("enable_kvm is from %q", from)
	}
	c.sources = nil
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
	if a, err := c.Server.DataAddress(); err != nil || a != "127.0.0.1:1" {
		t.Errorf("data address is %q, %v", a, err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"exclusive", "[server]\nbind_addr = 127.0.0.1\nbind_net = 10.0.0.0/8\n", ":3: [server] bind_net excludes bind_addr, which PATH:2 sets"},
		{"a name for bind_addr", "[server]\nbind_addr = localhost\n", ":2: [server] bind_addr = \"localhost\": want an IP address"},
		{"not a network", "[server]\nbind_net = 10.0.0.0\n", ":2: [server] bind_net = \"10.0.0.0\": want a network in CIDR form"},
		{"relative socket", "[server]\nsocket = x.sock\n", "want an absolute path"},
		{"long socket", "[server]\nsocket = /" + strings.Repeat("x", keyfile.MaxSocketPath) + "\n", "want an absolute path of at most 107"},
		{"node name", "[server]\nnode_name = a b\n", "want a name like a host's"},
		{"gpus", "[server]\ngpus = amd\n", "want one of auto, cuda, softgpu"},
		{"gpu_ids", "[server]\ngpu_ids = 0,,1\n", "want indices or UUIDs"},
		{"gpu_ids by name", "[server]\ngpu_ids = H200\n", "want indices or UUIDs"},
		{"throttle", "[throttle]\nthrottle_level = 0\n", "from 1 to 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, path, err := load(t, c.text)
			want := strings.ReplaceAll(c.want, "PATH", path)
			if err == nil || !strings.HasPrefix(err.Error(), path+":") || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.conf")); err == nil {
		t.Error("a file named and absent is no error")
	}
}

func TestPick(t *testing.T) {
	addrs := []net.Addr{&net.IPNet{IP: net.ParseIP("127.0.0.1")}, &net.IPNet{IP: net.ParseIP("10.1.2.3")}, &net.IPNet{IP: net.ParseIP("fd00::7")}}
	for _, c := range []struct{ cidr, want, err string }{
		{"10.0.0.0/8", "10.1.2.3", ""},
		{"10.1.9.9/16", "10.1.2.3", ""}, // the host's bits do not matter
		{"fd00::/8", "fd00::7", ""},
		{"192.168.0.0/16", "", "no interface of this host has an address there; it has [127.0.0.1 10.1.2.3 fd00::7]"},
	} {
		got, err := pick(c.cidr, addrs)
		if got != c.want || c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %q, %v", c.cidr, got, err)
		}
	}
}
