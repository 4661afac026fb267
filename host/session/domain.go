// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"

	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/vmm"
)

// EndDomain ends the sessions of a virtual machine that has ended or lost its device: their workers are killed.
// It does not wait for that. Programs that still run get CUDA errors.
func (s *Server) EndDomain(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ses := range s.lingering {
		if ses.rec.Slice.Domain == name {
			ses.hangUp()
		}
	}
	for _, ses := range s.sessions {
		if ses.rec.Slice == nil || ses.rec.Slice.Domain != name {
			continue
		}
		ses.domainEnded = true
		if ses.worker == nil { // not yet started, or ended
			continue
		}
		err := ses.worker.Kill()
		switch {
		case err == nil:
			s.log.Info("killed worker: its virtual machine has ended", "session", ses.rec.ID, "domain", name)
		case !errors.Is(err, process.ErrGone):
			s.log.Error("worker remains", "session", ses.rec.ID, "reason", err)
		}
	}
}

// adoptSlice takes over the slice of an earlier oriond's session. Where its domain has ended, so has the
// session. Where the worker has ended, the slice is taken all the same: to be given back with nothing in it.
func (s *Server) adoptSlice(ses *session) error {
	r := ses.rec.Slice
	if r == nil {
		return nil
	}
	err := vmm.ErrGone
	if s.opt.Domains != nil {
		ses.mem.slice, err = s.opt.Domains.Adopt(r.Domain, r.Offset, r.Size)
	}
	switch {
	case err == nil:
		ses.mem = memory{carrier: wire.CarrierDevice, offset: r.Offset, size: r.Size, slice: ses.mem.slice}
		return nil
	case !errors.Is(err, vmm.ErrGone):
		return fmt.Errorf("adopt session %s: take over its memory in %s: %w", ses.rec.ID, r.Domain, err)
	}
	ses.mem.slice = nil
	if ses.worker != nil {
		s.log.Warn("killed worker: its virtual machine has ended while oriond was away", "session", ses.rec.ID, "domain", r.Domain)
		if err := ses.worker.Kill(); err != nil && !errors.Is(err, process.ErrGone) {
			return fmt.Errorf("adopt session %s: %w", ses.rec.ID, err)
		}
	}
	return nil
}

// linger gives the slice of a session that is over back when the client has gone too: until then its program may
// write into what it takes for its pinned memory, which must not be another's by then. linger returns early, and
// leaves the slice to the next oriond, when the server closes.
func (s *Server) linger(ses *session) {
	if ses.mem.slice == nil {
		return
	}
	if ses.peer != nil {
		entrance.Await(ses.peer) // returns at once after a hangUp
	}
	if s.endLingering(ses) {
		ses.mem.slice.Release()
	}
}

// endLingering is false once the server closes.
func (s *Server) endLingering(ses *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lingering, ses)
	return !s.closed
}
