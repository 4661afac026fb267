// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Bounds of a handshake.
const (
	helloTime   = 5 * time.Second  // for the program's hello to arrive
	welcomeTime = 60 * time.Second // for an oriond's answer: a worker may have to wake a GPU
)

// Relay serves the programs that come to a unix socket.
type Relay struct {
	// Servers lists the ways to an oriond, the best first.
	Servers func(context.Context) []Server
	Log     *slog.Logger
	Release string // for messages

	sessions sync.WaitGroup
	turns    *turns
}

// Serve accepts programs until ctx ends, then ends their sessions and returns.
func (r *Relay) Serve(ctx context.Context, l *net.UnixListener) error {
	r.turns = newTurns()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer r.sessions.Wait()
	for {
		conn, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ECONNABORTED):
			r.Log.Warn("cannot accept a program", "reason", err)
			time.Sleep(100 * time.Millisecond)
		case err != nil:
			return fmt.Errorf("accept programs: %w", err)
		default:
			r.sessions.Go(func() { r.serve(ctx, conn) })
		}
	}
}

// serve takes one program from its hello to its end.
func (r *Relay) serve(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	uid, err := userOf(conn)
	if err != nil {
		r.Log.Warn("cannot tell whose a program is", "reason", err)
		return
	}
	leave, ok := r.turns.enter(ctx, uid)
	if !ok {
		r.refuse(conn, &refusal{operatingSystem, "too many programs start at once: start this one again in a moment"})
		return
	}
	leave = sync.OnceFunc(leave)
	defer leave()
	hello, err := readHello(conn)
	if errors.Is(err, io.EOF) { // somebody only looked whether the relay answers
		return
	}
	log := r.Log.With("program", hello.Program, "pid", hello.PID)
	if err == nil && (hello.Version != wire.Version || hello.Spec != cuda.SpecHash) {
		err = &refusal{driverMismatch, fmt.Sprintf("versions do not match: client %s (protocol %d, commands %016x), orion-relay %s (protocol %d, commands %016x): install the client once more",
			hello.Release, hello.Version, hello.Spec, r.Release, uint32(wire.Version), uint64(cuda.SpecHash))}
	}
	var s *session
	if err == nil {
		s, err = r.open(ctx, log, conn, hello)
	}
	if err != nil {
		log.Warn("no session", "reason", err)
		r.refuse(conn, err)
		return
	}
	defer s.free()
	leave()
	stop := context.AfterFunc(ctx, func() { s.end(errors.New("orion-relay was stopped")) })
	defer stop()
	log.Info("session started", "server", s.server)
	start := time.Now()
	switch reason := s.run(); {
	case errors.Is(reason, errGone):
		log.Info("session ended: the program is gone", "after", time.Since(start).Round(time.Millisecond))
	default:
		log.Error("session ended", "reason", reason, "after", time.Since(start).Round(time.Millisecond))
	}
}

func readHello(conn *net.UnixConn) (h wire.Hello, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(helloTime)); err != nil {
		return h, err
	}
	b := make([]byte, wire.HelloSize)
	if n, err := io.ReadFull(conn, b); err != nil {
		if errors.Is(err, io.EOF) {
			return h, err
		}
		return h, fmt.Errorf("read hello: %w after %d of %d bytes", err, n, wire.HelloSize)
	}
	return h, h.UnmarshalBinary(b)
}

// open finds an oriond for a program, makes the region and answers the program.
func (r *Relay) open(ctx context.Context, log *slog.Logger, conn *net.UnixConn, hello wire.Hello) (*session, error) {
	hello.Carrier = wire.CarrierStream
	stream, name, w, err := dialAny(ctx, r.Servers(ctx), hello)
	if err != nil {
		return nil, err
	}
	s, err := newSession(log, name, stream, w)
	if err != nil {
		stream.Close()
		return nil, err
	}
	if err = s.adopt(conn); err == nil {
		err = welcome(conn, w, s)
	}
	if err != nil {
		stream.Close()
		s.free()
		return nil, fmt.Errorf("answer the program: %w", err)
	}
	return s, nil
}

// welcome tells the program where its region is.
func welcome(conn *net.UnixConn, w wire.Welcome, s *session) error {
	w.Size = uint64(len(s.region))
	b, err := w.MarshalBinary()
	if err != nil {
		return err
	}
	_, _, err = conn.WriteMsgUnix(b, unix.UnixRights(int(s.file.Fd())), nil)
	return err
}

// refuse tells the program why there is no session.
func (r *Relay) refuse(conn *net.UnixConn, why error) {
	no := &refusal{notReady, why.Error()}
	_ = errors.As(why, &no)
	w := wire.Welcome{Version: wire.Version, Spec: cuda.SpecHash, Status: no.status, Message: no.message, Release: r.Release}
	b, err := w.MarshalBinary()
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(b)
	}
}
