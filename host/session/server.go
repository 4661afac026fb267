// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/host/session/region"
)

// Server serves the clients of one socket. Its methods are safe for concurrent use.
type Server struct {
	opt        Options
	log        *slog.Logger
	boot       string
	workerUser *syscall.Credential
	lock       *os.File
	store      *record.Store
	standby    standby
	entrances  []*entrance.Listener // the socket first, but for NoListen
	admission  admission
	reserved   atomic.Int64 // sessions that count against MaxSessions

	mu        sync.Mutex
	sessions  map[string]*session
	lingering map[*session]bool // over, but for their slices
	leaseBack chan struct{}     // closes when the next lease has gone back; nil: nobody waits
	closed    bool

	greetings sync.WaitGroup // handshakes under way
	watchers  sync.WaitGroup // of running sessions
}

// Open takes the socket into possession and adopts the workers of an earlier oriond. Clients that connect
// wait for Serve. The caller calls Serve or Close.
func Open(o Options) (_ *Server, err error) {
	if len(o.WorkerArgs) == 0 {
		o.WorkerArgs = []string{"worker"}
	}
	if o.SocketMode == 0 {
		o.SocketMode = 0o666
	}
	if o.RegionBytes == 0 {
		if o.RegionBytes, err = region.DefaultSize(); err != nil {
			return nil, err
		}
	}
	if err := region.Check(o.RegionBytes); err != nil {
		return nil, fmt.Errorf("shared memory of a session (--region-mib): %w", err)
	}
	s := &Server{opt: o, log: o.Logger, sessions: map[string]*session{}, lingering: map[*session]bool{}}
	if s.boot, err = process.BootID(); err != nil {
		return nil, err
	}
	if s.workerUser, err = credential(o.WorkerUser); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.LogDir, 0o755); err != nil {
		return nil, fmt.Errorf("create folder of session logs: %w", withHint(err, "log_dir in section [log]"))
	}
	if s.lock, err = lock(o.Socket); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.store, err = record.NewStore(record.Dir(o.Socket)); err != nil {
		return nil, err
	}
	if err := s.adopt(); err != nil {
		return nil, err
	}
	if !o.NoListen {
		l, err := entrance.ListenUnix(o.Socket, o.SocketMode)
		if err != nil {
			return nil, err
		}
		s.entrances = append(s.entrances, l)
	}
	s.entrances = append(s.entrances, o.Listeners...)
	return s, nil
}

// adopt takes over the sessions that have records. Those whose workers have ended are cleaned up by Serve,
// when the pool can be told.
func (s *Server) adopt() error {
	found, err := s.store.Load()
	if err != nil {
		s.log.Warn("session records left out", "reason", err)
	}
	for _, r := range found {
		ses := &session{rec: r}
		if r.Boot == s.boot {
			if ses.worker, err = process.Open(r.Worker); err != nil && !errors.Is(err, process.ErrGone) {
				return fmt.Errorf("adopt session %s: %w", r.ID, err)
			}
		}
		if ses.worker != nil && r.Client != (process.Ref{}) {
			ses.client, err = process.Open(r.Client)
			if err != nil && !errors.Is(err, process.ErrGone) {
				ses.close()
				return fmt.Errorf("adopt session %s: %w", r.ID, err)
			}
			ses.orphan = err != nil
		}
		if err := s.adoptSlice(ses); err != nil {
			ses.close()
			return err
		}
		s.reserved.Add(1)
		s.add(ses)
		s.log.Info("session found", "session", r.ID, "program", r.Program, "lease", r.Lease,
			"worker", r.Worker.PID, "alive", ses.worker != nil)
	}
	return nil
}

// Serve answers clients until ctx ends, and returns nil then. Workers run on, to be adopted by the next
// server on the same socket.
func (s *Server) Serve(ctx context.Context) error {
	defer s.Close()
	for _, ses := range s.list() {
		s.watchers.Go(func() { s.watch(ses) })
	}
	doors, opened := errgroup.WithContext(ctx)
	doors.Go(func() error { s.standby.run(opened, s); return nil })
	for _, l := range s.entrances {
		doors.Go(func() error { return s.Accept(opened, l) })
	}
	doors.Go(func() error { <-opened.Done(); return nil }) // where there is no entrance
	return doors.Wait()
}

// Accept answers the clients of one more entrance while the server serves, and closes it. It returns nil when
// ctx ends.
func (s *Server) Accept(ctx context.Context, l *entrance.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.AcceptConn()
		switch {
		case err == nil:
			if !s.admit(ctx, conn) {
				return nil
			}
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept clients on %s: %w", l.Addr(), err)
		default: // out of descriptors, say: what is running may end and free some
			s.log.Error("cannot accept clients", "on", l.Addr(), "reason", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// admit starts the handshake of one client; false once the server closes.
func (s *Server) admit(ctx context.Context, conn *entrance.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return false
	}
	s.greetings.Go(func() { s.greet(ctx, conn) })
	return true
}

// Close stops what Serve does; workers run on. It waits for handshakes that are under way.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for ses := range s.lingering {
		ses.hangUp()
	}
	s.mu.Unlock()
	var err error
	for _, l := range s.entrances {
		if e := l.Close(); e != nil && !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	s.greetings.Wait()
	for _, ses := range s.list() {
		ses.close()
	}
	s.watchers.Wait()
	// Last: from here on another oriond may take over.
	if e := s.lock.Close(); e != nil && !errors.Is(e, fs.ErrClosed) {
		err = errors.Join(err, e)
	}
	if err != nil {
		return fmt.Errorf("close session server: %w", err)
	}
	return nil
}
