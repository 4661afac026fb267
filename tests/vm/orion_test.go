// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/cuda"
	"github.com/orion-vgpu/orion/tests/vm/agent"
	"github.com/orion-vgpu/orion/tests/vm/initramfs"
	"github.com/orion-vgpu/orion/tests/vm/machine"
	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

// alice is a user of the guests' who is no administrator.
const alice = 1000

// client is tests/faults/testdata/client.c in a guest.
const client = "/usr/local/bin/client"

// ground is a libvirtd, a pool whose first node serves its guests, and a guest's system with the client's installer
// and programs in it.
type ground struct {
	host      *machine.Host
	pool      *chain.Chain
	image     *initramfs.Image
	programs  []program
	client    string // on the host, as is
	installer string
}

// program is a CUDA program in a guest.
type program struct {
	cuda.Program
	linkage string
	from    string // on the host
}

func startGround(t *testing.T, o chain.Options) *ground {
	t.Helper()
	g := &ground{host: startHost(t)}
	g.image = baseImage(t, g.host)
	build := chain.Build(t)
	g.installer = filepath.Join(t.TempDir(), "install-client")
	script := exec.Command(filepath.Join(chain.Root(), "guest", "installer", "build"), g.installer, "0.0.0-test",
		filepath.Join(build, "bin"), filepath.Join(build, "lib"))
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("make the installer: %v\n%s", err, out)
	}
	g.client = chain.CC(t, filepath.Join(chain.Root(), "tests", "faults", "testdata", "client.c"))
	g.copy(t, "/root/install-client", g.installer)
	g.copy(t, client, g.client)
	g.addPrograms(t)
	o.Libvirt = g.host.URI
	g.pool = chain.Start(t, o)
	return g
}

// copy puts a program with its libraries, or a script, into the guests.
func (g *ground) copy(t *testing.T, name, from string) {
	t.Helper()
	head := make([]byte, 4)
	f, err := os.Open(from)
	if err == nil {
		_, err = f.Read(head)
		f.Close()
	}
	if err == nil && string(head) == "\x7fELF" {
		err = g.image.Program(name, from)
	} else if err == nil {
		err = g.image.Copy(name, from)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// at is the folder of CUDA programs in guests, as tests/cuda/build has them.
const at = "/cuda"

// addPrograms finds CUDA programs that a tool chain has made, if there is one. What they need lies in the image, and
// they come when they are run, since they are many.
func (g *ground) addPrograms(t *testing.T) {
	t.Helper()
	folder := filepath.Join(chain.Root(), "tests", "cuda")
	dir := script(t, folder, "toolchain", "dir")
	version := ""
	for _, v := range strings.Fields(script(t, folder, "toolchain", "list")) {
		if _, err := os.Stat(filepath.Join(dir, v, "nvcc")); err == nil {
			version = v
		}
	}
	if version == "" {
		t.Logf("no CUDA tool chain in %s: programs of nvcc are left out; run tests/cuda/toolchain", dir)
		return
	}
	out := script(t, folder, "build", version)
	all, err := cuda.Programs(filepath.Join(folder, "programs"))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range all { // in one linkage each, in turn: tests/cuda has them in every one
		linkages := p.Linkages()
		linkage := linkages[i%len(linkages)]
		g.programs = append(g.programs, program{p, linkage, filepath.Join(out, linkage, p.Name)})
	}
	var needed []string
	for _, pattern := range []string{"lib/*", "*.fatbin"} {
		found, err := filepath.Glob(filepath.Join(out, pattern))
		if err != nil {
			t.Fatal(err)
		}
		needed = append(needed, found...)
	}
	for _, from := range needed {
		g.copy(t, at+strings.TrimPrefix(from, out), from)
	}
	for _, name := range []string{"libstdc++.so.6", "libgcc_s.so.1"} {
		if err := g.image.Library(name); err != nil {
			t.Fatal(err)
		}
	}
}

// script runs a script of a folder and returns what it prints.
func script(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(folder, name), args...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("%s: %v\n%s", cmd, err, exit.Stderr)
		}
		t.Fatalf("%s: %v", cmd, err)
	}
	return strings.TrimSpace(string(out))
}

// oriond runs a command of oriond's on the first node, as an administrator would.
func (g *ground) oriond(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(g.pool.Bin, "oriond"), append(args, "--config", g.pool.Nodes[0].Conf)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("oriond %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// enable opts a guest in.
func (g *ground) enable(t *testing.T, vm guest, args ...string) string {
	t.Helper()
	out, err := g.oriond(t, append([]string{"vm", "enable", vm.Name}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// waitFree waits until no program has a vGPU.
func (g *ground) waitFree(t *testing.T) time.Duration {
	t.Helper()
	return chain.Soon(t, "all vGPUs are free", 10*time.Second, func() bool { return len(g.pool.Pool(t).Leases) == 0 })
}

// waitLeases waits until programs have n leases.
func (g *ground) waitLeases(t *testing.T, n int) {
	t.Helper()
	chain.Within(t, fmt.Sprintf("%d leases", n), time.Minute, func() bool { return len(g.pool.Pool(t).Leases) == n })
}

// region returns the file of a guest's region on this machine.
func (g *ground) region(t *testing.T, vm guest) string {
	t.Helper()
	out, err := g.oriond(t, "vm", "status", vm.Name, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vmm.Status
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 1 || all[0].Region == "" {
		t.Fatalf("vm status of %s: %v\n%s", vm.Name, err, out)
	}
	return filepath.Join(ivshmem.Dir, all[0].Region)
}

// install runs the client's installer in a guest, as its administrator would, for alice.
func (g guest) install(t *testing.T) {
	t.Helper()
	out := g.ok(t, "sh", "/root/install-client", "-y", "--user", "alice")
	if !strings.Contains(out, "Installed the client") {
		t.Fatalf("the installer says %q", out)
	}
}

// gpu is a command of alice's on a vGPU.
func (g guest) gpu(t *testing.T, args ...string) agent.Command {
	t.Helper()
	return agent.Command{Args: args, User: alice, Group: []uint32{g.groupID(t)}, Dir: "/home/alice",
		Env: []string{"HOME=/home/alice", "ORION_VGPU=1", "ORION_GMEM=128"}}
}

// groupID returns the number of group orion.
func (g guest) groupID(t *testing.T) uint32 {
	t.Helper()
	var id uint32
	text := g.ok(t, "sh", "-c", "grep ^orion: /etc/group | cut -d: -f3")
	if _, err := fmt.Sscan(text, &id); err != nil {
		t.Fatalf("group orion has number %q: %v", text, err)
	}
	return id
}

// pass runs a command on a vGPU that must succeed, and returns what it prints.
func (g guest) pass(t *testing.T, args ...string) string {
	t.Helper()
	s := g.command(t, g.gpu(t, args...))
	if s.Code != 0 {
		t.Fatalf("%q ended with %d in the guest\nstdout: %s\nstderr: %s", args, s.Code, s.Stdout, s.Stderr)
	}
	return string(s.Stdout)
}

// begin starts a command on a vGPU, and waits until it says that it is running.
func (g guest) begin(t *testing.T, args ...string) *agent.Process {
	t.Helper()
	p, err := g.Start(t.Context(), g.gpu(t, args...))
	if err != nil {
		t.Fatal(err)
	}
	chain.Within(t, "the program in the guest runs", programTime, func() bool {
		s, err := p.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Done {
			t.Fatalf("the program has ended with %d\nstdout: %s\nstderr: %s", s.Code, s.Stdout, s.Stderr)
		}
		return strings.Contains(string(s.Stdout), "running\n")
	})
	return p
}

// end waits for a program's end.
func (g guest) end(t *testing.T, p *agent.Process) agent.Status {
	t.Helper()
	s, err := wait(t, p, programTime)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runPrograms runs CUDA programs, one after the other: all, or those with the names chosen.
func (g guest) runPrograms(t *testing.T, all []program, chosen ...string) {
	if len(all) == 0 {
		t.Skip("no CUDA tool chain: run tests/cuda/toolchain")
	}
	for _, p := range all {
		if len(chosen) == 0 || slices.Contains(chosen, p.Name) {
			t.Run(p.linkage+"/"+p.Name, func(t *testing.T) { g.runProgram(t, p) })
		}
	}
}

func (g guest) runProgram(t *testing.T, p program) {
	data, err := os.ReadFile(p.from)
	if err != nil {
		t.Fatal(err)
	}
	command := p.Command(at, p.linkage)
	g.put(t, command[0], 0o755, string(data))
	defer g.ok(t, "rm", command[0])
	c := g.gpu(t, command...)
	c.Env = append(append(c.Env, fmt.Sprintf("ORION_VGPU=%d", p.GPUs), "ORION_GMEM=512"), p.Env...)
	s := g.command(t, c)
	const skipped = 77
	if s.Code == skipped && p.Exit != skipped {
		t.Skip(strings.TrimSpace(string(s.Stdout)))
	}
	if s.Code != p.Exit {
		t.Fatalf("exit status is %d, want %d\nstdout: %s\nstderr: %s", s.Code, p.Exit, s.Stdout, s.Stderr)
	}
	if p.Stdout == "" {
		return
	}
	want, err := os.ReadFile(p.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	if string(s.Stdout) != string(want) {
		t.Fatalf("standard output differs from %s; got:\n%s", p.Stdout, s.Stdout)
	}
}

// waitAttached waits until oriond says that the guest has its device.
func (g *ground) waitAttached(t *testing.T, vm guest) {
	t.Helper()
	chain.Within(t, "the guest's device is attached", time.Minute, func() bool {
		out, err := g.oriond(t, "vm", "status", vm.Name)
		return err == nil && strings.Contains(out, "attached")
	})
}

// grant does what udev would, for a device that has come since.
func (g guest) grant(t *testing.T) {
	t.Helper()
	chain.Within(t, "the guest has the device and its memory", time.Minute, func() bool {
		g.ok(t, "/usr/lib/orion/grant-device")
		return g.run(t, "sh", "-c", "grep -l 0x1110 /sys/bus/pci/devices/*/device && ls /sys/bus/pci/devices/*/resource2").Code == 0
	})
}
