// SPDX-License-Identifier: Apache-2.0

package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/guest/check/daemon"
	"github.com/orion-vgpu/orion/guest/check/linker"
	"github.com/orion-vgpu/orion/guest/check/pool"
	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Options say what to look at.
type Options struct {
	Config string // a file in place of what oriond was started with
}

// Facts is what is known of a node.
type Facts struct {
	Root       bool // who looks is root, and sees all
	Config     *config.Config
	ConfigErr  error
	ConfigPath string

	Processes []system.Process // oriond, without its workers
	Service   string           // its state by systemd; empty: unknown
	Socket    bool             // its file is there
	Mode      fs.FileMode
	Answer    daemon.Answer
	AnswerErr error
	Data      string // address of the data plane; empty: the system chooses the port
	DataErr   error  // nil: the port answers
	LogDir    string
	LogErr    error  // why this process may not write there
	WorkerErr string // the user named for workers who is not there

	Driver Driver
	Kernel Kernel
	VM     VM

	SELinux, AppArmor string
	Pool              *pool.Pool
	PoolErr           error
	ControllerSet     string
	RDMA              []string // devices
}

// Driver is NVIDIA's.
type Driver struct {
	Version string   // of the kernel's; empty: it is not loaded
	GPUs    []string // models with their places
	Nodes   []string // device nodes that are missing
	Nouveau bool
	Cuda    linker.Found // libcuda.so.1
	NVML    linker.Found
	Hidden  bool // libcuda.so.1 is Orion's client library
	HMM     bool // the kernel module has heterogeneous memory management, and it is not off
}

// Kernel is what oriond needs of the kernel.
type Kernel struct {
	Release      string
	Major, Minor int
	MemFD        error
	PidFD        error
	ShmBytes     uint64 // size of /dev/shm
	ShmFree      uint64
	ShmErr       error
}

// Gather looks at a node. It takes some seconds at most, or until ctx ends.
func Gather(ctx context.Context, s *system.System, o Options) *Facts {
	f := &Facts{Root: s.User.UID == 0 || !s.User.Is(), Processes: s.Processes("oriond", "worker"), Service: s.Service(ctx, "oriond")}
	f.Processes = slices.DeleteFunc(f.Processes, func(p system.Process) bool { return !p.Trusted() })
	f.ConfigPath = o.Config
	for _, p := range f.Processes {
		if path := flag(p.Command, "--config", "-c"); f.ConfigPath == "" && path != "" {
			f.ConfigPath = path
			if dir, err := os.Readlink(s.Path(fmt.Sprintf("/proc/%d/cwd", p.PID))); err == nil && !filepath.IsAbs(path) {
				f.ConfigPath = filepath.Join(dir, path)
			}
		}
		if user := flag(p.Command, "--worker-user"); user != "" && !s.Account(user) {
			f.WorkerErr = user
		}
	}
	f.Config, f.ConfigErr = config.Load(f.ConfigPath)
	f.Driver = driver(s)
	f.Kernel = kernel(s)
	_, f.SELinux, f.AppArmor = s.Security()
	f.RDMA = s.Glob("/sys/class/infiniband/*")
	if f.Config == nil {
		return f
	}
	f.daemon(ctx, s)
	f.VM = machines(ctx, s, f)
	f.ControllerSet = f.Config.Source("controller", "controller_addr")
	f.Pool, f.PoolErr = pool.Ask(ctx, f.Config.Controller)
	return f
}

// flag finds the value of a flag on a command line.
func flag(command string, names ...string) string {
	words := strings.Fields(command)
	for i, w := range words {
		for _, name := range names {
			if value, ok := strings.CutPrefix(w, name+"="); ok {
				return value
			}
			if w == name && i+1 < len(words) {
				return words[i+1]
			}
		}
	}
	return ""
}

func (f *Facts) daemon(ctx context.Context, s *system.System) {
	path := f.Config.Server.Socket
	f.Socket, f.Mode = s.Exists(path), s.Mode(path)
	f.Answer, f.AnswerErr = daemon.Ask(ctx, daemon.Unix, s.Path(path), wire.CarrierMemory)
	if p := s.Process(f.Answer.PID); f.Answer.PID != 0 && p.Trusted() { // the one that is meant comes first
		others := slices.DeleteFunc(f.Processes, func(o system.Process) bool { return o.PID == p.PID })
		f.Processes = append([]system.Process{p}, others...)
	}
	address, err := f.Config.Server.DataAddress()
	switch {
	case err != nil:
		f.DataErr = err
	case f.Config.Server.ListenPort != 0:
		f.Data = address
		var conn net.Conn
		if conn, f.DataErr = (&net.Dialer{Timeout: daemon.Timeout}).DialContext(ctx, "tcp", address); f.DataErr == nil {
			conn.Close()
		}
	}
	f.LogDir = f.Config.Log.Dir
	dir := f.LogDir
	for dir != "/" && !s.Exists(dir) {
		dir = filepath.Dir(dir)
	}
	f.LogErr = unix.Access(s.Path(dir), unix.W_OK|unix.X_OK)
}

func driver(s *system.System) Driver {
	var d Driver
	line, _, _ := strings.Cut(s.Text("/proc/driver/nvidia/version"), "\n")
	for _, word := range strings.Fields(line) {
		if strings.Contains(word, ".") && word[0] >= '0' && word[0] <= '9' {
			d.Version = word
			break
		}
	}
	for _, dir := range s.Glob("/proc/driver/nvidia/gpus/*") {
		model := "GPU"
		for _, line := range strings.Split(s.Text(dir+"/information"), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && name == "Model" {
				model = strings.TrimSpace(value)
			}
		}
		d.GPUs = append(d.GPUs, model+" at "+filepath.Base(dir))
	}
	for _, node := range []string{"/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia-uvm"} {
		if !s.Exists(node) {
			d.Nodes = append(d.Nodes, node)
		}
	}
	d.Nouveau = s.Module("nouveau")
	l, _ := linker.Open(s.Root, s.Env("LD_LIBRARY_PATH"))
	d.Cuda, _ = l.Find("libcuda.so.1")
	d.NVML, _ = l.Find("libnvidia-ml.so.1")
	d.HMM = strings.TrimSpace(s.Text("/sys/module/nvidia_uvm/parameters/uvm_disable_hmm")) == "N"
	_, _, d.Hidden = l.Orion(d.Cuda.Path)
	return d
}

func kernel(s *system.System) Kernel {
	var k Kernel
	k.Release, k.Major, k.Minor = s.Kernel()
	if fd, err := unix.MemfdCreate("orion-check", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING); err == nil {
		unix.Close(fd)
	} else {
		k.MemFD = err
	}
	if fd, err := unix.PidfdOpen(unix.Getpid(), 0); err == nil {
		unix.Close(fd)
	} else {
		k.PidFD = err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(s.Path("/dev/shm"), &fs); err != nil {
		k.ShmErr = err
	} else {
		k.ShmBytes, k.ShmFree = fs.Blocks*uint64(fs.Bsize), fs.Bavail*uint64(fs.Bsize)
		const tmpfs = 0x01021994
		if fs.Type != tmpfs {
			k.ShmErr = errors.New("it is not a tmpfs")
		}
	}
	return k
}

// skew is how far clocks may differ before leases and logs are hard to understand.
const skew = 5 * time.Second
