// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo && libvirt_dlopen

package libvirt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/vm/machine"
	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

const eventually = time.Minute // emulated guests on a busy machine

// host is a libvirtd of the tests' own, and a manager of its machines.
type host struct {
	*machine.Host
	root    *testing.T
	t       *testing.T // the present subtest
	records string

	manager *vmm.Manager
	stop    func()

	mu    sync.Mutex
	ended map[string]int
}

func newHost(t *testing.T) *host {
	t.Helper()
	m, err := machine.Start(t.Context())
	if errors.Is(err, machine.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	h := &host{Host: m, root: t, t: t, records: t.TempDir(), ended: map[string]int{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("libvirtd:\n%s", m.Log())
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	h.start()
	t.Cleanup(func() { h.stop() })
	return h
}

// run runs a subtest, whose failures are its own.
func (h *host) run(t *testing.T, name string, test func(*testing.T)) {
	t.Run(name, func(t *testing.T) {
		outer := h.t
		h.t = t
		t.Cleanup(func() { h.t = outer }) // after those of test
		test(t)
	})
}

// start starts a manager, after a crash of the one before, if stop was called.
func (h *host) start() {
	h.t.Helper()
	log := slog.New(slog.NewTextHandler(h.root.Output(), nil))
	m, err := vmm.New(vmm.Options{
		Dir: h.records, Node: "here", Hypervisor: New(h.URI, log), Logger: log,
		EndDomain: func(name string) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.ended[name]++
		},
		Endpoint: func() (uint16, string) { return 9960, "" },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	h.manager, h.stop = m, sync.OnceFunc(func() { cancel(); running.Wait() })
}

// define makes a domain without a system, and returns its name.
func (h *host) define(machineType, features, devices string) string {
	h.t.Helper()
	name := "orion-vmm-" + strings.ToLower(rand.Text()[:12])
	text := fmt.Sprintf(`<domain type='qemu'><name>%s</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='%s'>hvm</type></os><features>%s</features>
<devices><controller type='usb' model='none'/><memballoon model='none'/>%s</devices></domain>`, name, machineType, features, devices)
	path := filepath.Join(h.t.TempDir(), "domain.xml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.virsh("define", path)
	h.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), eventually)
		defer cancel()
		h.Virsh(ctx, "destroy", name)
		h.Virsh(ctx, "undefine", name)
		h.await("the end of "+name, func() bool { return h.status(name).State == "" })
	})
	return name
}

func (h *host) virsh(args ...string) string {
	h.t.Helper()
	out, err := h.Virsh(h.t.Context(), args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *host) enable(name string, size uint64) Change {
	h.t.Helper()
	c, err := Enable(h.URI, name, size, "")
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *host) status(name string) vmm.Status {
	for _, s := range h.manager.Report().Machines {
		if s.Name == name {
			return s
		}
	}
	return vmm.Status{}
}

func (h *host) awaitState(name string, want vmm.State) (s vmm.Status) {
	h.t.Helper()
	h.await(fmt.Sprintf("state %q of %s", want, name), func() bool {
		s = h.status(name)
		return s.State == want
	})
	return s
}

func (h *host) await(what string, ok func() bool) {
	h.t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > eventually {
			h.t.Fatalf("%s: not within %v; now %+v", what, eventually, h.manager.Report())
		}
	}
}

// awaitGone waits until a region's file is there no more.
func (h *host) awaitGone(region string) {
	h.t.Helper()
	h.await("removal of "+region, func() bool {
		_, err := os.Stat(filepath.Join(ivshmem.Dir, region))
		return errors.Is(err, os.ErrNotExist)
	})
}

func (h *host) endings(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended[name]
}

// nonce reads what the guest would.
func (h *host) nonce(name string) (n [32]byte) {
	h.t.Helper()
	f, err := os.Open(filepath.Join(ivshmem.Dir, h.status(name).Region))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(n[:], 0x40); err != nil {
		h.t.Fatal(err)
	}
	return n
}
