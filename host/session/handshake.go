// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/proto/wire"
)

const (
	handshakeTimeout = 5 * time.Second // for the whole hello to arrive
	grantTimeout     = 10 * time.Second
	answerTimeout    = time.Second
)

// refusal is an error that the client is told: its cuInit returns status, its log shows the message.
type refusal struct {
	status  driver.Result
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(status driver.Result, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// greet takes a connection from its first byte to a running worker, or to a refusal.
func (s *Server) greet(ctx context.Context, conn *entrance.Conn) {
	defer conn.Close()
	who, err := identify(conn)
	if err != nil {
		s.log.Warn("handshake failed", "reason", err)
		return
	}
	defer who.close()
	if !s.admission.enter(who.source, who.local) {
		s.answer(conn, refuse(driver.ErrorOperatingSystem, "oriond has too many handshakes under way: start the program again in a moment"))
		s.log.Warn("handshake refused", "client", who, "reason", "too many under way")
		return
	}
	defer s.admission.leave(who.source, who.local)

	hello, err := readHello(ctx, conn)
	if errors.Is(err, io.EOF) { // not one byte: somebody only looked whether oriond answers
		s.log.Debug("connection without handshake", "client", who)
		return
	}
	level := slog.LevelWarn
	if err == nil {
		if hello.VGPUs == 0 { // as orion-check asks, to be told whether oriond understands it
			level = slog.LevelDebug
		}
		err = s.check(hello)
	}
	if err == nil {
		err = s.checkCarrier(conn, hello.Carrier)
	}
	if err == nil {
		err = s.start(ctx, conn, who, hello)
	}
	if err != nil {
		s.answer(conn, err)
		s.log.Log(ctx, level, "handshake refused", "client", who, "program", hello.Program, "host", hello.Host, "reason", err)
	}
}

// readHello reads exactly one hello. When ctx ends it stops waiting.
func readHello(ctx context.Context, conn *entrance.Conn) (wire.Hello, error) {
	var h wire.Hello
	if err := conn.SetReadDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return h, fmt.Errorf("read hello: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	b := make([]byte, wire.HelloSize)
	n, err := io.ReadFull(conn, b)
	switch {
	case ctx.Err() != nil:
		return h, refuse(driver.ErrorOperatingSystem, "oriond is stopping: start the program again")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return h, refuse(driver.ErrorInvalidValue, "read hello: %d of %d bytes came within %v", n, wire.HelloSize, handshakeTimeout)
	case errors.Is(err, io.EOF):
		return h, err
	case err != nil:
		return h, fmt.Errorf("read hello: %w after %d of %d bytes", err, n, wire.HelloSize)
	}
	if err := h.UnmarshalBinary(b); err != nil {
		return h, refuse(driver.ErrorInvalidValue, "%v", err)
	}
	h.Program, h.Host, h.Release = printable(h.Program), printable(h.Host), printable(h.Release)
	return h, nil
}

// printable keeps what a client calls itself from playing with terminals and logs.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// check refuses a hello that no pool could satisfy.
func (s *Server) check(h wire.Hello) error {
	if h.Version != wire.Version || h.Spec != s.opt.Spec {
		return refuse(driver.ErrorSystemDriverMismatch,
			"versions do not match: client %s (protocol %d, commands %016x), oriond %s (protocol %d, commands %016x): install the same release on both sides",
			orUnknown(h.Release), h.Version, h.Spec, s.opt.Release, uint32(wire.Version), s.opt.Spec)
	}
	if h.VGPUs == 0 || h.VGPUs > wire.MaxDevices {
		return refuse(driver.ErrorInvalidValue, "%d vGPUs asked for: set ORION_VGPU to a number from 1 to %d", h.VGPUs, wire.MaxDevices)
	}
	if h.Ratio > 100 {
		return refuse(driver.ErrorInvalidValue, "%d %% of a GPU asked for: set ORION_RATIO to a number from 1 to 100", h.Ratio)
	}
	const maxGMem = 1 << 24 // MiB, so 16 TiB: sums of it fit everywhere
	if h.GMemMiB > maxGMem {
		return refuse(driver.ErrorInvalidValue, "%d MiB of GPU memory asked for: set ORION_GMEM to a number from 1 to %d", h.GMemMiB, maxGMem)
	}
	return nil
}

func orUnknown(s string) string {
	if s == "" {
		return "of unknown release"
	}
	return s
}

// answer tells the client why there is no session, as well as it can be told.
func (s *Server) answer(conn *entrance.Conn, why error) {
	var r *refusal
	if !errors.As(why, &r) {
		r = &refusal{driver.ErrorOperatingSystem, why.Error()}
	}
	w := wire.Welcome{
		Version: wire.Version, Spec: s.opt.Spec, Release: s.opt.Release,
		Status: uint32(r.status), Message: r.message,
	}
	b, err := w.MarshalBinary()
	if err != nil {
		return
	}
	if conn.SetWriteDeadline(time.Now().Add(answerTimeout)) != nil {
		return
	}
	if _, err := conn.Write(b); err != nil {
		s.log.Debug("client did not wait for its refusal", "reason", err)
	}
}
