// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"strings"
	"syscall"
	"time"
)

// Name is what the port is called.
const Name = "org.orion.test"

// Client is the host's side. It is for concurrent use, and ends with its connection.
type Client struct{ rpc *rpc.Client }

// Dial connects to the port's socket at path, and waits for the agent until ctx ends.
func Dial(ctx context.Context, path string) (*Client, error) {
	for {
		c, err := dial(ctx, path)
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reach the guest's agent: %w (%w)", err, context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// patience is how long one question waits for an answer, before it is asked anew: a port that was in use may have
// swallowed it.
const patience = 3 * time.Second

func dial(ctx context.Context, path string) (*Client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	end := time.Now().Add(patience)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	conn.SetDeadline(end)
	if err := Greet(conn); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return &Client{rpc.NewClient(conn)}, nil
}

// Close ends the conversation. Commands in the guest go on.
func (c *Client) Close() error { return c.rpc.Close() }

// call gives up when ctx ends; what was asked for may still happen.
func (c *Client) call(ctx context.Context, method string, in, out any) error {
	select {
	case call := <-c.rpc.Go("Service."+method, in, out, make(chan *rpc.Call, 1)).Done:
		return call.Error
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Process is a command that runs in the guest.
type Process struct {
	c    *Client
	id   int
	name string
}

// Start runs a command.
func (c *Client) Start(ctx context.Context, command Command) (*Process, error) {
	p := &Process{c: c, name: strings.Join(command.Args, " ")}
	if err := c.call(ctx, "Start", command, &p.id); err != nil {
		return nil, fmt.Errorf("run %q in the guest: %w", p.name, err)
	}
	return p, nil
}

// Poll tells what the command has done so far.
func (p *Process) Poll(ctx context.Context) (Status, error) { return p.ask(ctx, "Poll") }

// Wait waits for the command's end.
func (p *Process) Wait(ctx context.Context) (Status, error) { return p.ask(ctx, "Wait") }

func (p *Process) ask(ctx context.Context, method string) (s Status, err error) {
	if err := p.c.call(ctx, method, p.id, &s); err != nil {
		return s, fmt.Errorf("ask for %q in the guest: %w", p.name, err)
	}
	return s, nil
}

// Signal sends a signal to the command and its descendants.
func (p *Process) Signal(ctx context.Context, s syscall.Signal) error {
	return p.c.call(ctx, "Signal", Kill{p.id, s}, &struct{}{})
}

// Run runs a command to its end. If ctx ends first, the command is killed, and what it had printed is returned with
// the error.
func (c *Client) Run(ctx context.Context, command Command) (Status, error) {
	p, err := c.Start(ctx, command)
	if err != nil {
		return Status{}, err
	}
	s, err := p.Wait(ctx)
	if err == nil || ctx.Err() == nil {
		return s, err
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	s, pollErr := p.Poll(late)
	return s, errors.Join(err, pollErr, p.Signal(late, syscall.SIGKILL))
}

// Put writes a file in the guest.
func (c *Client) Put(ctx context.Context, path string, mode os.FileMode, data []byte) error {
	return c.call(ctx, "Put", File{path, mode, data}, &struct{}{})
}

// Get reads a file in the guest.
func (c *Client) Get(ctx context.Context, path string) (data []byte, err error) {
	err = c.call(ctx, "Get", path, &data)
	return data, err
}
