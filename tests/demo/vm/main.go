// SPDX-License-Identifier: Apache-2.0

// Command vm is the part of the demonstration with a virtual machine: it boots a guest by virsh, opts it in, installs
// the client in it, and runs the program there. Where the machine can run no guest, it says so in a line.
//
//	vm BUILD PROGRAM SECONDS    the folder of what was built, the program, and how long it draws
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/orion-vgpu/orion/tests/vm/agent"
	"github.com/orion-vgpu/orion/tests/vm/machine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: vm BUILD PROGRAM SECONDS")
		os.Exit(2)
	}
	err := run(ctx, os.Args[1], os.Args[2], os.Args[3])
	if errors.Is(err, machine.ErrUnavailable) {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		tell("The same in a virtual machine is left out: " + reason)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func step(text string)     { fmt.Printf("\n==> %s\n", text) }
func tell(lines ...string) { fmt.Println("    " + strings.Join(lines, "\n    ")) }

func run(ctx context.Context, build, program, seconds string) error {
	h, err := machine.Start(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	step("Now in a virtual machine that libvirt manages, without a GPU and without a driver")
	guest, err := define(ctx, h, build, program)
	if err != nil {
		return err
	}
	p, err := startPool(ctx, h.URI, build)
	if err != nil {
		return err
	}
	defer p.stop()

	if err := p.show(ctx, "oriond", "vm", "enable", guest.Name); err != nil {
		return err
	}
	tell("$ virsh start " + guest.Name)
	start := time.Now()
	if err := guest.Boot(ctx); err != nil {
		return err
	}
	tell(fmt.Sprintf("It has booted in %.1f s (%s).", time.Since(start).Seconds(), h.Accel), "", "In the guest:",
		"# ./install-client -y")
	if s, err := guest.Run(ctx, agent.Command{Args: []string{"sh", "/root/install-client", "-y"}}); err != nil || s.Code != 0 {
		return errors.Join(fmt.Errorf("install the client in the guest: exit status %d: %s%s", s.Code, s.Stdout, s.Stderr), err)
	}
	tell("# ORION_VGPU=1 ORION_GMEM=128 ./demo")
	running, err := guest.Start(ctx, agent.Command{Args: []string{"/root/demo", seconds}, Env: []string{"ORION_VGPU=1", "ORION_GMEM=128"}})
	if err != nil {
		return err
	}
	smi := p.whileItRuns(ctx, running)
	s, err := running.Wait(ctx)
	if err != nil {
		return err
	}
	step("What the guest saw, and meanwhile the host")
	fmt.Print(beside(string(s.Stdout), smi))
	if s.Code != 0 {
		return fmt.Errorf("the program ended with %d in the guest: %s", s.Code, s.Stderr)
	}
	return nil
}

// define makes the guest, with the client's installer and the program in it.
func define(ctx context.Context, h *machine.Host, build, program string) (*machine.Guest, error) {
	dir := filepath.Join(build, "demo")
	for _, c := range [][]string{
		{"go", "build", "-o", dir + "/vm-agent", "./tests/vm/cmd/vm-agent"},
		{"guest/installer/build", dir + "/install-client", "0.0.0-demo", build + "/bin", build + "/lib"},
	} {
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	im, err := h.BaseImage(dir + "/vm-agent")
	if err == nil {
		err = im.Copy("/root/install-client", dir+"/install-client")
	}
	if err == nil {
		err = im.Program("/root/demo", program)
	}
	if err != nil {
		return nil, err
	}
	return h.Define(ctx, machine.Domain{Image: im})
}
