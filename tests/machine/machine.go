// SPDX-License-Identifier: Apache-2.0

// Package machine stands for virtual machines in tests of what needs none: their regions are plain files, which
// programs of this host find through folders in place of /sys/bus/pci/devices (ORION_PCI_DIR).
package machine

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

// Host knows some machines, as vmm.Domains.
type Host struct {
	dir string
	mu  sync.Mutex
	all map[string]*Machine
}

var _ vmm.Domains = (*Host)(nil)

// NewHost returns a host without machines. Their files are in a folder of the test.
func NewHost(t testing.TB) *Host {
	return &Host{dir: t.TempDir(), all: map[string]*Machine{}}
}

func (h *Host) closeAfter(t testing.TB, r *ivshmem.Region) {
	t.Cleanup(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		r.Close()
	})
}

// Machine is one of them.
type Machine struct {
	Name string
	CID  uint32
	PCI  string         // folder in place of /sys/bus/pci/devices
	Path string         // of the region's file
	TCP  netip.AddrPort // of oriond

	host   *Host
	region *ivshmem.Region
	nonce  [wire.NonceBytes]byte
}

// Add starts a machine whose programs reach oriond by TCP at an address.
func (h *Host) Add(t testing.TB, name string, cid uint32, size uint64, tcp netip.AddrPort) *Machine {
	t.Helper()
	file, err := ivshmem.NewName()
	if err != nil {
		t.Fatal(err)
	}
	region, err := ivshmem.Create(h.dir, file, size, ivshmem.Access{UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	h.closeAfter(t, region)
	m := &Machine{Name: name, CID: cid, TCP: tcp, host: h, region: region,
		Path: filepath.Join(h.dir, file), PCI: filepath.Join(t.TempDir(), "devices")}
	if err := m.plug(size); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := m.turn(); err != nil {
		t.Fatal(err)
	}
	h.all[name] = m
	return m
}

// plug makes what the kernel of a guest would show of the device, beside one that is another's.
func (m *Machine) plug(size uint64) error {
	none := "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	bar := fmt.Sprintf("0x%016x 0x%016x 0x%016x\n", uint64(1)<<35, uint64(1)<<35+size-1, 0x14220c)
	for name, files := range map[string]map[string]string{
		"0000:00:01.0": {"vendor": "0x8086\n", "device": "0x1110\n"},
		"0000:00:05.0": {"vendor": "0x1af4\n", "device": "0x1110\n", "resource": none + none + bar + none},
	} {
		folder := filepath.Join(m.PCI, name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		for file, text := range files {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return os.Symlink(m.Path, filepath.Join(m.PCI, "0000:00:05.0", "resource2"))
}

// turn writes a new nonce. The caller holds the host's lock.
func (m *Machine) turn() error {
	if _, err := rand.Read(m.nonce[:]); err != nil {
		return err
	}
	return m.region.Write(ivshmem.Header{Port: m.TCP.Port(), Nonce: m.nonce, Address: m.TCP.Addr().String()})
}

// Nonce returns what a client in the machine would read.
func (m *Machine) Nonce() [wire.NonceBytes]byte {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	return m.nonce
}

// SlicesInUse says how many slices clients have.
func (m *Machine) SlicesInUse() int {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	return m.region.InUse()
}

// Blocks returns how many bytes of the region's file take memory.
func (m *Machine) Blocks(t testing.TB) int64 {
	t.Helper()
	used, err := diskUsage(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// End ends the machine. The caller tells the session server.
func (m *Machine) End() {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	delete(m.host.all, m.Name)
}

// Forget is what the host does when oriond starts anew: all slices are free until they are adopted.
func (h *Host) Forget(t testing.TB) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.all {
		again, err := ivshmem.Open(h.dir, m.region.Name(), m.region.Size())
		if err != nil {
			t.Fatal(err)
		}
		h.closeAfter(t, again)
		m.region = again
	}
}

// Claim implements vmm.Domains.
func (h *Host) Claim(nonce [wire.NonceBytes]byte, cid uint32) (vmm.Slice, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.all {
		if m.nonce != nonce {
			continue
		}
		if cid != 0 && cid != m.CID {
			return nil, fmt.Errorf("the nonce is that of another virtual machine than %d", cid)
		}
		offset, size, err := m.region.Take()
		if err != nil {
			return nil, err
		}
		if err := m.turn(); err != nil {
			return nil, err
		}
		return &slice{machine: m, region: m.region, offset: offset, size: size}, nil
	}
	return nil, vmm.ErrStaleNonce
}

// Adopt implements vmm.Domains.
func (h *Host) Adopt(domain string, offset, size uint64) (vmm.Slice, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m := h.all[domain]
	if m == nil {
		return nil, vmm.ErrGone
	}
	if err := m.region.Claim(offset, size); err != nil {
		return nil, err
	}
	return &slice{machine: m, region: m.region, offset: offset, size: size}, nil
}

// Known implements vmm.Domains.
func (h *Host) Known(cid uint32) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.all {
		if m.CID == cid {
			return m.Name, true
		}
	}
	return "", false
}
