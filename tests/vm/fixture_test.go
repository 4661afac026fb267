// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
	"github.com/orion-vgpu/orion/tests/vm/agent"
	"github.com/orion-vgpu/orion/tests/vm/initramfs"
	"github.com/orion-vgpu/orion/tests/vm/machine"
)

// startHost starts a libvirtd for the test, and skips it where there can be none.
func startHost(t *testing.T) *machine.Host {
	t.Helper()
	h, err := machine.Start(t.Context())
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("libvirtd:\n%s", h.Log())
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("guests are executed by %s", h.Accel)
	return h
}

// built are the programs of cmd/, which run in guests.
var built = sync.OnceValues(func() (dir string, err error) {
	dir = filepath.Join(chain.Root(), "build", "test", "vm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "./tests/vm/cmd/...")
	cmd.Dir, cmd.Env = chain.Root(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build programs for guests: %w\n%s", err, out)
	}
	return dir, nil
})

// baseImage makes the system of a guest without anything of Orion.
func baseImage(t *testing.T, h *machine.Host) *initramfs.Image {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	im, err := h.BaseImage(filepath.Join(dir, "vm-agent"))
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Copy("/root/bin/vm-intruder", filepath.Join(dir, "vm-intruder")); err != nil {
		t.Fatal(err)
	}
	return im
}

// guest is a guest whose errors end the test.
type guest struct{ *machine.Guest }

// boot defines and boots a guest of the usual kind.
func boot(t *testing.T, h *machine.Host, im *initramfs.Image) guest {
	t.Helper()
	return bootDomain(t, h, machine.Domain{Image: im})
}

func bootDomain(t *testing.T, h *machine.Host, d machine.Domain) guest {
	t.Helper()
	g := define(t, h, d)
	g.boot(t)
	return g
}

func define(t *testing.T, h *machine.Host, d machine.Domain) guest {
	t.Helper()
	m, err := h.Define(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	g := guest{m}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of %s:\n%s", g.Name, g.Console())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := g.Remove(ctx); err != nil {
			t.Error(err)
		}
	})
	return g
}

func (g guest) boot(t *testing.T) {
	t.Helper()
	start := time.Now()
	if err := g.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s has booted in %v", g.Name, time.Since(start).Round(10*time.Millisecond))
}

func (g guest) connect(t *testing.T) {
	t.Helper()
	if err := g.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// must runs virsh on the guest.
func (g guest) must(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := g.Virsh(t.Context(), command, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// programTime bounds one command in a guest, which is slow under emulation.
const programTime = 2 * time.Minute

// run runs a command as root.
func (g guest) run(t *testing.T, args ...string) agent.Status {
	t.Helper()
	return g.command(t, agent.Command{Args: args})
}

func (g guest) command(t *testing.T, c agent.Command) agent.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTime)
	defer cancel()
	s, err := g.Client.Run(ctx, c)
	if err != nil {
		t.Fatalf("%v\nstdout: %s\nstderr: %s", err, s.Stdout, s.Stderr)
	}
	return s
}

// ok runs a command that must succeed, and returns what it prints.
func (g guest) ok(t *testing.T, args ...string) string {
	t.Helper()
	s := g.run(t, args...)
	if s.Code != 0 {
		t.Fatalf("%q ended with %d in the guest\nstdout: %s\nstderr: %s", args, s.Code, s.Stdout, s.Stderr)
	}
	return string(s.Stdout)
}

func (g guest) put(t *testing.T, path string, mode os.FileMode, data string) {
	t.Helper()
	if err := g.Put(t.Context(), path, mode, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// wait waits for a command's end, for limit at most.
func wait(t *testing.T, p *agent.Process, limit time.Duration) (agent.Status, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return p.Wait(ctx)
}
