// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/guest/check/daemon"
	"github.com/orion-vgpu/orion/guest/check/ivshmem"
	"github.com/orion-vgpu/orion/guest/check/linker"
	"github.com/orion-vgpu/orion/guest/check/pool"
	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/guest/config"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Folder is where the installer puts the libraries, unless it is told otherwise.
const Folder = "/usr/lib/orion"

// Options say what to look at.
type Options struct {
	Config  string // a file in place of client.conf of user and system
	Program string // a program, or a library, whose libcuda.so.1 is asked for
}

// Facts is what is known of a machine.
type Facts struct {
	User      system.User
	Config    *config.Config // nil with ConfigErr
	ConfigErr error
	Demand    config.Demand
	DemandErr error
	VGPU      string // ORION_VGPU

	Libc         Libc
	Library      Library // libcuda.so.1 that programs get
	NVML         Library // libnvidia-ml.so.1
	Others       []string
	Installed    bool // the libraries lie in Folder
	Configured   bool // ldconfig's configuration names a folder of Orion's
	Program      string
	Uses         []Use
	ProgramErr   error
	NVIDIADriver string // version of the kernel's, empty: none

	Virtual bool // the machine is virtual
	Daemon  Endpoint
	Relay   Endpoint
	Devices []ivshmem.Device
	Measure error // why the device's speed is not known
	VSock   VSock
	TCP     Endpoint // oriond's, from the device's header

	Udev, UdevRule              bool
	Group, InGroup, GroupInUse  bool // group orion is there; the user is listed; and has it
	Lockdown, SELinux, AppArmor string
	AddressSpace                uint64 // RLIMIT_AS
	LogDir                      string
	LogErr                      error

	Controller    string
	ControllerSet string // where its address was set
	Pool          *pool.Pool
	PoolErr       error
	RelayService  string // of systemd, empty: unknown
	RelayProcess  []system.Process
}

// Libc is the machine's C library.
type Libc struct {
	Path         string
	Major, Minor int
	Err          error
}

// Library is one that the dynamic linker finds.
type Library struct {
	linker.Found        // Path is empty: none
	Release      string // of Orion's; empty: somebody else's
	Commands     uint64
}

// Use is an object of the program that was asked for, and what it gets.
type Use struct {
	linker.Use
	Ours bool
}

// Endpoint is where an oriond or a relay may answer.
type Endpoint struct {
	Address string // empty: there is none to ask
	Exists  bool   // a socket's file is there
	Mode    fs.FileMode
	Group   string
	Denied  bool // to the user
	Err     error
	Answer  daemon.Answer
}

// Answers says whether somebody answered.
func (e *Endpoint) Answers() bool { return e.Exists && e.Err == nil }

// VSock is the machine's vsock.
type VSock struct {
	Device bool
	CID    uint32
	Host   Endpoint
}

// Gather looks at a machine. It takes some seconds at most, or until ctx ends.
func Gather(ctx context.Context, s *system.System, o Options) *Facts {
	f := &Facts{User: s.User, VGPU: s.Env("ORION_VGPU")}
	f.Config, f.ConfigErr = config.Load(o.Config)
	f.Demand, f.DemandErr = config.ReadDemand(s.Lookup)
	f.libraries(s, o.Program)
	f.security(s)
	f.carriers(ctx, s)
	if f.Config != nil {
		f.Controller, f.ControllerSet = f.Config.Controller, f.Config.Source("controller", "controller_addr")
		f.Pool, f.PoolErr = pool.Ask(ctx, f.Controller)
	}
	return f
}

func (f *Facts) libraries(s *system.System, program string) {
	l, _ := linker.Open(s.Root, s.Env("LD_LIBRARY_PATH"))
	look := func(name string) Library {
		found, _ := l.Find(name)
		r := Library{Found: found}
		r.Release, r.Commands, _ = l.Orion(found.Path)
		return r
	}
	f.Library, f.NVML = look("libcuda.so.1"), look("libnvidia-ml.so.1")
	for _, path := range l.All("libcuda.so.1") {
		if path != f.Library.Path {
			f.Others = append(f.Others, path)
		}
	}
	f.Installed = s.Exists(Folder + "/libcuda.so.1")
	f.Configured = s.Exists("/etc/ld.so.conf.d/000-orion.conf")
	f.NVIDIADriver = nvidiaVersion(s.Text("/proc/driver/nvidia/version"))

	libc, ok := l.Find("libc.so.6")
	f.Libc.Path = libc.Path
	if !ok {
		f.Libc.Err = errors.New("there is no libc.so.6")
	} else {
		f.Libc.Major, f.Libc.Minor, f.Libc.Err = l.Glibc(libc.Path)
	}

	if program == "" {
		return
	}
	if found, ok := l.Find(program); ok && !strings.Contains(program, "/") {
		program = found.Path // a library by its name
	}
	if f.Program, f.ProgramErr = filepath.Abs(program); f.ProgramErr != nil {
		return
	}
	uses, err := l.Program(f.Program, "libcuda.so.1", "libcudart.", "libnvrtc.", "libcublas", "libcudnn", "libnccl", "libtorch_cuda", "libc10_cuda")
	f.ProgramErr = err
	for _, u := range uses {
		_, _, ours := l.Orion(u.Path)
		f.Uses = append(f.Uses, Use{u, ours})
	}
}

func (f *Facts) security(s *system.System) {
	f.Group, f.InGroup, f.GroupInUse = s.Member("orion")
	f.Udev = s.Exists("/run/udev/control")
	f.UdevRule = s.Exists("/usr/lib/udev/rules.d/70-orion.rules") || s.Exists("/etc/udev/rules.d/70-orion.rules")
	f.Lockdown, f.SELinux, f.AppArmor = s.Security()
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil {
		f.AddressSpace = limit.Cur
	}
	f.LogDir = filepath.Join(f.User.Home, ".orion/log")
	// The first folder above that is there must let the user in.
	dir := f.LogDir
	for dir != "/" && !s.Exists(dir) {
		dir = filepath.Dir(dir)
	}
	f.LogErr = s.Allowed(dir, system.Write|system.Enter)
	f.Virtual = s.Virtual()
}

func (f *Facts) carriers(ctx context.Context, s *system.System) {
	if f.Config != nil {
		f.Daemon = socket(ctx, s, f.Config.Socket)
		f.Relay = socket(ctx, s, f.Config.Relay)
		if a := f.Relay.Answer; f.Relay.Answers() && a.Status != daemon.Asked && a.Status != daemon.Mismatch {
			f.Relay.Err = errors.New(a.Message)
		}
	}
	f.RelayService = s.Service(ctx, "orion-relay")
	f.RelayProcess = s.Processes("orion-relay", "")
	f.Devices = ivshmem.Find(s)
	f.VSock.Device = s.Exists("/dev/vsock")
	if f.VSock.Device && s.Root == "" {
		f.VSock.CID, _ = daemon.LocalCID()
	}
	d := f.Device()
	if d == nil {
		return
	}
	f.Measure = d.Measure()
	port := strconv.Itoa(int(d.Port))
	if d.Port != 0 {
		f.VSock.Host = ask(ctx, daemon.VSock, port, wire.CarrierDevice)
	}
	host := d.HostByTCP
	if host == "" {
		host = s.Gateway()
	}
	if host != "" && d.Port != 0 && !f.VSock.Host.Answers() {
		f.TCP = ask(ctx, daemon.TCP, net.JoinHostPort(host, port), wire.CarrierDevice)
	}
}

// Device is the first of Orion's devices, or nil.
func (f *Facts) Device() *ivshmem.Device {
	for i := range f.Devices {
		if f.Devices[i].Ours {
			return &f.Devices[i]
		}
	}
	return nil
}

// socket asks at a unix socket.
func socket(ctx context.Context, s *system.System, path string) Endpoint {
	e := Endpoint{Address: path}
	if !s.Exists(path) {
		e.Err = fs.ErrNotExist
		return e
	}
	mode, group := s.Mode(path), s.Group(path)
	denied := s.Allowed(path, system.Read|system.Write) != nil
	e = ask(ctx, daemon.Unix, s.Path(path), wire.CarrierMemory)
	e.Address, e.Mode, e.Group = path, mode, group
	e.Denied = denied || errors.Is(e.Err, fs.ErrPermission)
	return e
}

func ask(ctx context.Context, network, address string, carrier uint32) Endpoint {
	ctx, cancel := context.WithTimeout(ctx, 2*daemon.Timeout)
	defer cancel()
	e := Endpoint{Address: address, Exists: true}
	e.Answer, e.Err = daemon.Ask(ctx, network, address, carrier)
	return e
}
