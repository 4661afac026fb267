// SPDX-License-Identifier: Apache-2.0

package session

import "context"

// grant asks the pool, and after a refusal waits for programs of this node that have ended but whose workers still give
// their GPUs' memory back, which can take a driver seconds: what runs one program after the other must not be refused
// the vGPU that the last one had.
func (s *Server) grant(ctx context.Context, r Request) (Lease, error) {
	for {
		returned := s.returned()
		lease, err := s.opt.Pool.Grant(ctx, r)
		if err == nil || ctx.Err() != nil {
			return lease, err
		}
		if !s.returning() {
			select {
			case <-returned: // while the pool was being asked
				continue
			default:
				return lease, err
			}
		}
		select {
		case <-returned:
		case <-ctx.Done():
			return lease, err
		}
	}
}

// returned gives a channel that closes when the next lease has gone back to the pool.
func (s *Server) returned() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaseBack == nil {
		s.leaseBack = make(chan struct{})
	}
	return s.leaseBack
}

func (s *Server) leaseReturned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaseBack != nil {
		close(s.leaseBack)
		s.leaseBack = nil
	}
}

// returning says whether there is a lease whose program has ended.
func (s *Server) returning() bool {
	for _, ses := range s.list() {
		if ses.orphan || ses.client != nil && ses.client.Ended() {
			return true
		}
	}
	return false
}
