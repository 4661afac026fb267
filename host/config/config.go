// SPDX-License-Identifier: Apache-2.0

// Package config is the configuration of oriond: /etc/orion/server.conf.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/orion-vgpu/orion/host/keyfile"
	"github.com/orion-vgpu/orion/host/logging"
)

// Path is where the configuration lies unless a flag names another file.
const Path = "/etc/orion/server.conf"

// Config is what server.conf says. Each field stands beside its key in schema.
type Config struct {
	Log        logging.Config
	Controller string // address of orion-controller, host:port
	Server     Server
	NCCL       NCCL
	Throttle   Throttle

	sources map[string]string
}

// Source says where the value of a key came from, such as "/etc/orion/server.conf:12", or "default".
func (c *Config) Source(section, key string) string {
	if s := c.sources[section+"."+key]; s != "" {
		return s
	}
	return "default"
}

// Server is the section [server].
type Server struct {
	VGPUCount        int    // vGPUs that each GPU is cut into
	BindAddr         string // of the data plane; or
	BindNet          string // a network in CIDR form, one of whose addresses this host has
	ListenPort       int
	EnableKVM        bool
	VsockSockets     []string // unix sockets to which monitors of virtual machines connect for vsock
	LibvirtURI       string   // whose virtual machines can opt in
	EnableShm        bool
	EnableRDMA       bool
	IbverbsDevice    string   // empty: the first
	Socket           string   // Unix socket where clients of this host knock
	GPUs             string   // "auto", "cuda" or "softgpu"
	GPUIDs           []string // which of them, by index or UUID; none for all
	SoftGPUDevices   int
	SoftGPUMemoryMiB int
	NodeName         string // of this node in the pool
	MaxSessions      int    // client processes at one time
	HostMemoryMiB    int    // private memory of a session's worker; 0: no bound, -1: what HostMemory makes of this host
	StandbyWorkers   int    // for each GPU, ready before a client comes; -1: one for each NVIDIA GPU
}

// NCCL is the section [server-nccl].
type NCCL struct {
	CommID string // host:port where the ranks of one communicator meet
}

// Throttle is the section [throttle].
type Throttle struct {
	Level            int // percent of a GPU that throttled programs share
	EnableCompute    bool
	ComputationMode2 bool // charge measured GPU time, not launches
}

// Load reads the file at path, which must be there, or, where path is empty, Path, which may be absent.
// Its errors name file, line and key, and are fit to be shown.
func Load(path string) (*Config, error) {
	file := keyfile.File{Path: path}
	if path == "" {
		file = keyfile.File{Path: Path, Optional: true}
	}
	c := &Config{}
	s := c.schema()
	if err := s.Load([]keyfile.File{file}, os.LookupEnv); err != nil {
		return nil, err
	}
	if err := c.settle(s); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) schema() *keyfile.Schema {
	s := &keyfile.Schema{}
	c.Log.Declare(s, "server.log")
	s.HostPort(&c.Controller, "controller", "controller_addr", "127.0.0.1:9123")
	v := &c.Server
	s.Int(&v.VGPUCount, "server", "vgpu_count", 4, 1, 100)
	s.Func("server", "bind_addr", "127.0.0.1", addr(&v.BindAddr))
	s.Func("server", "bind_net", "", network(&v.BindNet))
	s.Int(&v.ListenPort, "server", "listen_port", 9960, 0, 65535)
	s.Bool(&v.EnableKVM, "server", "enable_kvm", true)
	s.Func("server", "vsock_sockets", "", socketPaths(&v.VsockSockets))
	s.String(&v.LibvirtURI, "server", "libvirt_uri", "qemu:///system")
	s.Bool(&v.EnableShm, "server", "enable_shm", true)
	s.Bool(&v.EnableRDMA, "server", "enable_rdma", true)
	s.String(&v.IbverbsDevice, "server", "ibverbs_device", "")
	s.SocketPath(&v.Socket, "server", "socket", "/run/orion/oriond.sock")
	s.Choice(&v.GPUs, "server", "gpus", "auto", "auto", "cuda", "softgpu")
	s.Func("server", "gpu_ids", "", gpuIDs(&v.GPUIDs))
	s.Int(&v.SoftGPUDevices, "server", "softgpu_devices", 2, 1, 16)
	s.Int(&v.SoftGPUMemoryMiB, "server", "softgpu_memory_mib", 4096, 64, 1<<20)
	s.Func("server", "node_name", "", nodeName(&v.NodeName))
	s.Int(&v.MaxSessions, "server", "max_sessions", 256, 1, 65536)
	s.Int(&v.HostMemoryMiB, "server", "host_memory_mib", -1, -1, 1<<26)
	s.Int(&v.StandbyWorkers, "server", "standby_workers", -1, -1, 64)
	s.HostPort(&c.NCCL.CommID, "server-nccl", "comm_id", "127.0.0.1:9970")
	s.Int(&c.Throttle.Level, "throttle", "throttle_level", 100, 1, 100)
	s.Bool(&c.Throttle.EnableCompute, "throttle", "enable_computation_throttle", true)
	s.Bool(&c.Throttle.ComputationMode2, "throttle", "computation_throttle_mode2", true)
	return s
}

// settle checks what no key can check alone and fills in what depends on the host.
func (c *Config) settle(s *keyfile.Schema) error {
	c.sources = map[string]string{}
	for _, k := range s.Keys() {
		c.sources[k.Section+"."+k.Name] = k.Source()
	}
	if address := c.sources["server.bind_addr"]; c.Server.BindNet != "" && address != "" {
		return fmt.Errorf("%s: [server] bind_net excludes bind_addr, which %s sets; remove one", c.sources["server.bind_net"], address)
	}
	if c.Server.NodeName == "" {
		name, err := os.Hostname()
		if err != nil || name == "" {
			return fmt.Errorf("find a name for this node: set [server] node_name (%w)", err)
		}
		c.Server.NodeName = name
	}
	return nil
}

// list sets p to what a key names between commas, each checked; want says what is right. An empty value is no element.
func list(p *[]string, right func(string) bool, want string) func(string) error {
	return func(v string) error {
		*p = nil
		if v == "" {
			return nil
		}
		for element := range strings.SplitSeq(v, ",") {
			element = strings.TrimSpace(element)
			if !right(element) {
				return fmt.Errorf("want %s, separated by commas", want)
			}
			*p = append(*p, element)
		}
		return nil
	}
}

func socketPaths(p *[]string) func(string) error {
	return list(p, func(path string) bool { return filepath.IsAbs(path) && len(path) <= keyfile.MaxSocketPath },
		fmt.Sprintf("absolute paths of at most %d bytes", keyfile.MaxSocketPath))
}

var gpuID = regexp.MustCompile(`^([0-9]{1,3}|GPU-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$`)

func gpuIDs(p *[]string) func(string) error {
	return list(p, gpuID.MatchString, "indices or UUIDs as nvidia-smi -L prints them")
}

func nodeName(p *string) func(string) error {
	return func(v string) error {
		if len(v) > 253 || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '/' || r >= 0x7f }) {
			return fmt.Errorf("want a name like a host's: printable ASCII without spaces and slashes, at most 253 bytes")
		}
		*p = v
		return nil
	}
}
