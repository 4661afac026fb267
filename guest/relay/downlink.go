// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/wire"
)

// endedError is why the worker has ended the session.
type endedError struct {
	result uint32
	reason string
}

func (e *endedError) Error() string { return e.reason }

// downlink stores what the worker sends, until the connection ends.
func (s *session) downlink() error {
	for {
		h, err := s.in.Next()
		if err == nil {
			s.life.Heard()
			err = s.apply(h)
		}
		var ended *endedError
		switch {
		case err == nil:
		case errors.As(err, &ended):
			return err
		default:
			return s.lost(err)
		}
	}
}

// lost says why there is no connection any more. A worker that ends with something unread resets it.
func (s *session) lost(err error) error {
	err = s.life.Reason(err)
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("oriond's worker at %s has ended; see its log", s.server)
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return fmt.Errorf("oriond's worker at %s has ended, or the network has cut it off; see its log", s.server)
	}
	return fmt.Errorf("the connection to oriond at %s was lost: %w", s.server, err)
}

// apply checks a frame and does what it says.
func (s *session) apply(h carry.Header) error {
	switch h.Kind {
	case carry.Memory:
		return s.store(h)
	case carry.Word, carry.Patch, carry.Written, carry.Ping, carry.End:
	default:
		return fmt.Errorf("a frame of kind %d is not for a client", h.Kind)
	}
	b, err := s.in.Payload()
	if err != nil {
		return err
	}
	switch h.Kind {
	case carry.Word:
		return s.word(h.Arg, b)
	case carry.Patch:
		return s.pinned.shared.Apply(h.Arg, b)
	case carry.Written:
		s.pinned.written(h.Arg)
	case carry.End:
		return &endedError{uint32(h.Arg), string(b)}
	}
	return nil
}

// store takes memory: results in staging and pinned memory, replies, requests, console output.
func (s *session) store(h carry.Header) error {
	n, size := uint64(h.Length), uint64(len(s.region))
	to, err := s.region.Range(h.Arg, n, wire.StageOffset, size)
	if err != nil {
		to, err = s.region.Range(h.Arg, n, wire.StatusOffset, wire.RingOffset)
	}
	if err != nil {
		return err
	}
	if h.Arg+n <= s.pinned.heap {
		return s.in.Into(to)
	}
	// Pinned memory may be about to be shared.
	b, err := s.in.Payload()
	if err == nil {
		s.pinned.shared.Store(h.Arg, b)
	}
	return err
}

// word takes what is published by a single store.
func (s *session) word(offset uint64, v []byte) error {
	n := uint64(len(v))
	_, head := s.region.Range(offset, n, wire.RingHead, wire.RingHead+8)
	_, status := s.region.Range(offset, n, wire.StatusOffset, wire.RingOffset)
	_, stage := s.region.Range(offset, n, wire.StageOffset, s.pinned.heap)
	if head != nil && status != nil && stage != nil {
		return stage
	}
	if err := s.region.StoreWord(offset, v); err != nil {
		return err
	}
	if offset == wire.StatusCallHead || offset == wire.StatusConsoleHead {
		s.ring() // the uplink is to look for the program's answer
	}
	return nil
}
