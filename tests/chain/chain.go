// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/loopback"
)

// Options describe a pool. Zero values stand for the defaults.
type Options struct {
	Nodes     int    // oriond processes, default 1
	GPUs      int    // software GPUs of each node, default 2
	MemoryMiB int    // memory of each GPU, default 1024
	VGPUCount int    // shares of each GPU, default 4
	RegionMiB int    // shared memory of a session, default 256
	Backend   string // key gpus of server.conf, default softgpu
	LogLevel  string // of the daemons, default INFO
	Libvirt   string // whose virtual machines the nodes serve, as a URI; default none
	// NoController leaves orion-controller out; nodes have an address where nobody listens.
	NoController bool
	// HostMemoryMiB is the key host_memory_mib of server.conf, default -1 as there.
	HostMemoryMiB int
}

func (o *Options) defaults() {
	for _, d := range []struct {
		p *int
		v int
	}{{&o.Nodes, 1}, {&o.GPUs, 2}, {&o.MemoryMiB, 1024}, {&o.VGPUCount, 4}, {&o.RegionMiB, 256}, {&o.HostMemoryMiB, -1}} {
		if *d.p == 0 {
			*d.p = d.v
		}
	}
	if o.Backend == "" {
		o.Backend = "softgpu"
	}
	if o.LogLevel == "" {
		o.LogLevel = "INFO"
	}
}

// machines says which virtual machines are served: this machine's own are none of a test's business.
func (o *Options) machines() string {
	if o.Libvirt == "" {
		return "enable_kvm = false"
	}
	return "libvirt_uri = " + o.Libvirt
}

// Chain is a running pool. Clients may be started from several goroutines; daemons belong to the test's own.
type Chain struct {
	Controller *Daemon
	Nodes      []*Node
	Address    string // of the controller
	Dir        string
	Bin, Lib   string
	opt        Options
}

// Node is one oriond.
type Node struct {
	*Daemon
	NodeName string
	Conf     string
	Socket   string
	LogDir   string
}

// patience is how long something that always happens may take on a busy machine.
const patience = 20 * time.Second

// Start builds what is stale, runs a pool, and returns when all nodes are in it. It ends with the test.
func Start(t testing.TB, o Options) *Chain {
	t.Helper()
	o.defaults()
	build := Build(t)
	dir, err := os.MkdirTemp("", "orion-") // not t.TempDir: the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	c := &Chain{Dir: dir, Bin: filepath.Join(build, "bin"), Lib: filepath.Join(build, "lib"), opt: o}
	watchdog := c.watch(t)
	t.Cleanup(func() {
		c.stop(t)
		watchdog.dismiss()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the pool's folder: %v", err)
		}
	})
	c.write(t, "client.conf", "[log]\nlog_to_file = false\nlog_level = WARNING\n")
	c.startController(t)
	for i := range o.Nodes {
		c.Nodes = append(c.Nodes, c.startNode(t, i))
	}
	if !o.NoController {
		c.WaitReady(t)
	}
	return c
}

func (c *Chain) write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(c.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var listens = regexp.MustCompile(`orion-controller listens.* address="?(127[\d.]+:\d+)`)

// startController has the kernel choose a port, which restarts then keep, at an address of the chain's own.
func (c *Chain) startController(t testing.TB) {
	t.Helper()
	conf := func(address string) string {
		return c.write(t, "controller.conf", fmt.Sprintf("[controller]\nlisten_addr = %s\n[log]\nlog_to_file = false\nlog_level = %s\n",
			address, c.opt.LogLevel))
	}
	c.Controller = c.daemon("controller", "orion-controller", "--config", conf(loopback.Listen()))
	if err := c.Controller.start(); err != nil {
		t.Fatal(err)
	}
	Within(t, "orion-controller listens", patience, func() bool {
		if !c.Controller.Running() {
			t.Fatalf("orion-controller ended: %v\n%s", c.Controller.cmd.ProcessState, c.Controller.Log())
		}
		m := listens.FindStringSubmatch(c.Controller.Log())
		if m != nil {
			c.Address = m[1]
		}
		return m != nil
	})
	conf(c.Address)
	if c.opt.NoController {
		c.Controller.Stop(t)
	}
}

func (c *Chain) startNode(t testing.TB, i int) *Node {
	t.Helper()
	name := fmt.Sprintf("node%d", i)
	n := &Node{NodeName: name, Socket: filepath.Join(c.Dir, name+".sock"), LogDir: filepath.Join(c.Dir, name+".log")}
	n.Conf = c.write(t, name+".conf", fmt.Sprintf(`[controller]
controller_addr = %s
[server]
node_name = %s
socket = %s
gpus = %s
softgpu_devices = %d
softgpu_memory_mib = %d
vgpu_count = %d
host_memory_mib = %d
listen_port = 0
%s
[log]
log_dir = %s
log_to_file = false
log_level = %s
file_log_level = %s
`, c.Address, name, n.Socket, c.opt.Backend, c.opt.GPUs, c.opt.MemoryMiB, c.opt.VGPUCount, c.opt.HostMemoryMiB, c.opt.machines(), n.LogDir,
		c.opt.LogLevel, c.opt.LogLevel))
	n.Daemon = c.daemon(name, "oriond", "run", "--config", n.Conf, "--region-mib", fmt.Sprint(c.opt.RegionMiB))
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	n.waitAnswers(t)
	return n
}

func (c *Chain) daemon(name, program string, args ...string) *Daemon {
	return &Daemon{Name: name, path: filepath.Join(c.Bin, program), args: args, dir: c.Dir, out: &output{}}
}

// RestartController starts the controller again, on the same port.
func (c *Chain) RestartController(t testing.TB) {
	t.Helper()
	if err := c.Controller.start(); err != nil {
		t.Fatal(err)
	}
	Within(t, "orion-controller answers", patience, func() bool { _, err := c.pool(); return err == nil })
}

// Restart starts the node's oriond again.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	if err := n.start(); err != nil {
		t.Fatal(err)
	}
	n.waitAnswers(t)
}

// cleanEnv is this process's environment without what leads a program to a GPU, and with more.
func cleanEnv(more ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "ORION_") && !strings.HasPrefix(name, "CUDA_") && name != "LD_LIBRARY_PATH" && name != "HOME" {
			env = append(env, kv)
		}
	}
	return append(env, more...)
}
