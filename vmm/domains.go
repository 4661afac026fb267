// SPDX-License-Identifier: Apache-2.0

package vmm

import "fmt"

var _ Domains = (*Manager)(nil)

// Claim implements Domains. Each region is asked, so that the time that it takes tells nothing.
func (m *Manager) Claim(nonce [32]byte, cid uint32) (Slice, error) {
	m.mu.Lock()
	var found *memory
	var address uint32
	for _, d := range m.domains {
		if d.memory != nil && d.memory.use(nonce) {
			found, address = d.memory, d.rec.CID
		}
	}
	m.mu.Unlock()
	if found == nil {
		return nil, ErrStaleNonce
	}
	if cid != 0 && cid != address {
		err := found.renew()
		m.log.Warn("a virtual machine has the nonce of another", "machine", found.domain, "cid", address, "peer", cid, "renewed", err == nil)
		return nil, fmt.Errorf("the nonce belongs to another virtual machine than the one with vsock address %d", cid)
	}
	return found.take()
}

// Adopt implements Domains.
func (m *Manager) Adopt(domain string, offset, size uint64) (Slice, error) {
	m.mu.Lock()
	d := m.domains[domain]
	var mem *memory
	if d != nil {
		mem = d.memory
	}
	m.mu.Unlock()
	if mem == nil {
		return nil, ErrGone
	}
	return mem.adopt(offset, size)
}

// Known implements Domains.
func (m *Manager) Known(cid uint32) (name string, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.domains {
		if cid != 0 && d.opted && d.rec.CID == cid {
			return d.name, true
		}
	}
	return "", false
}
