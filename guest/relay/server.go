// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
)

// CUresults that handshakes end with.
const (
	outOfMemory     = 2
	noDevice        = 100
	operatingSystem = 304
	notReady        = 802
	driverMismatch  = 803
)

// dialTime bounds the way to one server.
const dialTime = 3 * time.Second

// Server is one way to an oriond.
type Server struct {
	Name string // for people
	Dial func(context.Context) (net.Conn, error)
}

// refusal is an answer to a program: its cuInit returns status, its log shows the message.
type refusal struct {
	status  uint32
	message string
}

func (r *refusal) Error() string { return r.message }

// another says whether another server might do what this one refused.
func (r *refusal) another() bool {
	switch r.status {
	case outOfMemory, noDevice, operatingSystem, notReady:
		return true
	}
	return false
}

// VsockPort is where an oriond listens for the virtual machines of its host.
const VsockPort = 9960

// Vsock is the oriond of the host that this virtual machine runs on.
func Vsock() Server {
	return Server{Name: fmt.Sprintf("the host, by vsock port %d", VsockPort), Dial: dialVsock}
}

func dialVsock(ctx context.Context) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	dialled := make(chan result, 1)
	go func() { // vsock's Dial takes no context; it ends by itself
		conn, err := vsock.Dial(unix.VMADDR_CID_HOST, VsockPort, nil)
		if err != nil {
			dialled <- result{nil, err}
			return
		}
		dialled <- result{conn, nil}
	}()
	select {
	case r := <-dialled:
		return r.conn, r.err
	case <-ctx.Done():
		go func() {
			if r := <-dialled; r.conn != nil {
				r.conn.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// TCP is an oriond at address, host:port.
func TCP(address string) Server {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3}}
	return Server{Name: address, Dial: func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }}
}

// dialAny greets one server after the other until one has a vGPU for the program.
func dialAny(ctx context.Context, servers []Server, hello wire.Hello) (net.Conn, string, wire.Welcome, error) {
	var tried []string
	var last *refusal
	for _, s := range servers {
		conn, w, err := greet(ctx, s, hello)
		if err == nil {
			return conn, s.Name, w, nil
		}
		var no *refusal
		if errors.As(err, &no) {
			if last = no; !no.another() {
				break
			}
		} else {
			tried = append(tried, s.Name+": "+err.Error())
		}
	}
	if last != nil {
		return nil, "", wire.Welcome{}, last
	}
	if len(tried) == 0 {
		tried = []string{"no oriond is known"}
	}
	return nil, "", wire.Welcome{}, &refusal{noDevice, "no oriond answers: " + strings.Join(tried, "; ") + ". See enable_net and server_addr in client.conf, or run orion-check"}
}

// greet sends a hello to one server and reads its answer.
func greet(ctx context.Context, s Server, hello wire.Hello) (conn net.Conn, w wire.Welcome, err error) {
	dialling, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if conn, err = s.Dial(dialling); err != nil {
		return nil, w, err
	}
	dialled := conn // conn is nil by the time that a refusal is returned
	defer func() {
		if err != nil {
			dialled.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { dialled.Close() })
	defer stop()
	b, err := hello.MarshalBinary()
	if err != nil {
		return nil, w, err
	}
	if err := conn.SetDeadline(time.Now().Add(welcomeTime)); err != nil {
		return nil, w, err
	}
	if _, err := conn.Write(b); err != nil {
		return nil, w, fmt.Errorf("greet it: %w", err)
	}
	if _, err := io.ReadFull(conn, b); err != nil {
		return nil, w, fmt.Errorf("read its answer: %w", err)
	}
	if err := w.UnmarshalBinary(b); err != nil {
		return nil, w, err
	}
	if w.Status != 0 {
		return nil, w, &refusal{w.Status, w.Message}
	}
	if w.Version != wire.Version || w.Spec != hello.Spec {
		return nil, w, &refusal{driverMismatch, fmt.Sprintf("oriond at %s is of release %s, this machine's client of %s: install the same on both", s.Name, w.Release, hello.Release)}
	}
	return conn, w, conn.SetDeadline(time.Time{})
}
