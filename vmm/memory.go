// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

// errClosed says that a region takes no new clients.
var errClosed = errors.New("the host is taking the device from the virtual machine")

// maxSlices bounds the client processes of one virtual machine.
const maxSlices = 64

// memory is the region of one run of a machine, shared between the machine and the sessions in it: it lives
// until both are over.
type memory struct {
	domain   string
	log      *slog.Logger
	endpoint func() (uint16, string)
	gone     chan struct{} // closed when the machine has the device no more
	used     atomic.Int32  // slices

	mu     sync.Mutex // never held while waiting for a machine, but while wiping memory
	region *ivshmem.Region
	closed bool // to new clients
	ended  bool
	epoch  int // grows when the programs of the guest have ended

	nonceMu sync.Mutex // taken after mu
	nonce   [32]byte
	good    bool // nonce is in the header, and not used
}

func newMemory(domain string, r *ivshmem.Region, endpoint func() (uint16, string), log *slog.Logger) *memory {
	return &memory{domain: domain, region: r, endpoint: endpoint, log: log, gone: make(chan struct{})}
}

// use uses a nonce up, if it is this region's. It takes as long whether it is or not.
func (m *memory) use(nonce [32]byte) bool {
	m.nonceMu.Lock()
	defer m.nonceMu.Unlock()
	ok := subtle.ConstantTimeCompare(m.nonce[:], nonce[:]) == 1 && m.good
	if ok {
		m.good = false
	}
	return ok
}

// renew writes a nonce that nobody knows yet, and with it all of the header: the guest may have written there.
// After an error no nonce is good.
func (m *memory) renew() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.renewLocked()
}

func (m *memory) renewLocked() error {
	if m.ended {
		return ErrGone
	}
	m.nonceMu.Lock()
	defer m.nonceMu.Unlock()
	m.good = false
	if m.closed {
		return errClosed
	}
	if _, err := rand.Read(m.nonce[:]); err != nil {
		return fmt.Errorf("make nonce: %w", err)
	}
	port, address := m.endpoint()
	if err := m.region.Write(ivshmem.Header{Port: port, Nonce: m.nonce, Address: address}); err != nil {
		return err
	}
	m.good = true
	return nil
}

// take takes a slice for a client that used the nonce up.
func (m *memory) take() (Slice, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.renewLocked(); err != nil {
		return nil, err
	}
	if m.region.InUse() >= maxSlices {
		return nil, fmt.Errorf("virtual machine %s runs %d programs on vGPUs already", m.domain, maxSlices)
	}
	offset, size, err := m.region.Take()
	if errors.Is(err, ivshmem.ErrFull) {
		return nil, fmt.Errorf("the %s of virtual machine %s serve %d programs already: end one, or enlarge them on the host by \"oriond vm enable %s --size\" and start the machine again",
			FormatSize(m.region.Size()), m.domain, m.region.InUse(), m.domain)
	}
	if err != nil {
		return nil, err
	}
	return m.newSlice(offset, size), nil
}

func (m *memory) newSlice(offset, size uint64) Slice {
	m.used.Store(int32(m.region.InUse()))
	return &slice{memory: m, offset: offset, size: size, epoch: m.epoch}
}

func (m *memory) adopt(offset, size uint64) (Slice, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return nil, ErrGone
	}
	if err := m.region.Claim(offset, size); err != nil {
		return nil, err
	}
	return m.newSlice(offset, size), nil
}

// begin makes the region of an earlier oriond ready for new clients, when all sessions in it are adopted.
func (m *memory) begin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.region.Clear(); err != nil {
		return err
	}
	return m.renewLocked()
}

// reboot renews the nonce for a guest whose programs have ended.
func (m *memory) reboot() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch++
	return m.renewLocked()
}

// close keeps new clients out while the guest has the device still.
func (m *memory) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.epoch++
	m.nonceMu.Lock()
	defer m.nonceMu.Unlock()
	m.good = false
}

// open lets new clients in, after close.
func (m *memory) open() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		return nil
	}
	m.closed = false
	return m.renewLocked()
}

// end removes the file. What sessions still have of it stays until they release it.
func (m *memory) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.ended = true
	m.epoch++
	m.nonceMu.Lock()
	m.good = false
	m.nonceMu.Unlock()
	if err := m.region.Unlink(); err != nil {
		m.log.Error("memory of a virtual machine remains", "machine", m.domain, "reason", err)
	}
	close(m.gone)
	m.closeUnused()
}

func (m *memory) closeUnused() {
	if m.ended && m.region.InUse() == 0 {
		m.region.Close()
	}
}

// slice implements Slice.
type slice struct {
	memory       *memory
	offset, size uint64
	epoch        int
	once         sync.Once
}

func (s *slice) Domain() string { return s.memory.domain }
func (s *slice) File() *os.File { return s.memory.region.File() }
func (s *slice) Offset() uint64 { return s.offset }
func (s *slice) Size() uint64   { return s.size }

func (s *slice) Ended() bool {
	s.memory.mu.Lock()
	defer s.memory.mu.Unlock()
	return s.memory.epoch != s.epoch
}

func (s *slice) Release() {
	s.once.Do(func() {
		m := s.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		if err := m.region.Give(s.offset, s.size); err != nil {
			m.log.Error("a slice stays taken", "machine", m.domain, "reason", err)
		}
		m.used.Store(int32(m.region.InUse()))
		m.closeUnused()
	})
}
