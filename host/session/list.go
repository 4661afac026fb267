// SPDX-License-Identifier: Apache-2.0

package session

import (
	"os/exec"
	"sort"

	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/session/record"
)

// Sessions returns the sessions that hold a lease, oldest first, those included whose worker is about to
// start or to be cleaned up.
func (s *Server) Sessions() []record.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]record.Session, 0, len(s.sessions))
	for _, ses := range s.sessions {
		out = append(out, ses.rec)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Since.Before(out[j].Since) })
	return out
}

func (s *Server) list() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*session, 0, len(s.sessions))
	for _, ses := range s.sessions {
		out = append(out, ses)
	}
	return out
}

func (s *Server) add(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[ses.rec.ID] = ses
}

// running notes that a session has its worker, which is killed at once where the domain has ended meanwhile.
func (s *Server) running(ses *session, r record.Session, cmd *exec.Cmd, worker *process.Handle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.rec, ses.cmd, ses.worker = r, cmd, worker
	if ses.domainEnded {
		_ = worker.Kill()
	}
}

func (s *Server) drop(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ses.rec.ID)
	if ses.mem.slice != nil {
		s.lingering[ses] = true
		if s.closed || ses.domainEnded {
			ses.hangUp()
		}
	}
	s.unreserve()
}

func (s *Server) unreserve() {
	if s.opt.MaxSessions > 0 {
		s.reserved.Add(-1)
	}
}

func (s *Server) logInUse(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ses := range s.sessions {
		if ses.rec.Log == path {
			return true
		}
	}
	return false
}
