// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

const (
	timeout  = 5 * time.Second
	retry    = 2 * time.Second
	maxReply = 64 << 20
)

// view shows the pool of one controller.
type view struct {
	address     string
	out, errors io.Writer
	write       func(io.Writer, *poolv1.Pool) error
	clear       bool // the screen, before the pool is shown again
}

func (v *view) client() (poolv1connect.PoolServiceClient, func()) {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: timeout}).DialContext, ResponseHeaderTimeout: timeout}
	c := poolv1connect.NewPoolServiceClient(&http.Client{Transport: transport}, "http://"+v.address, connect.WithReadMaxBytes(maxReply))
	return c, transport.CloseIdleConnections
}

func (v *view) once(ctx context.Context) error {
	client, done := v.client()
	defer done()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := client.List(ctx, connect.NewRequest(&poolv1.ListRequest{Protocol: poolv1.Protocol}))
	if err != nil {
		return v.explain(err)
	}
	return v.write(v.out, r.Msg.Pool)
}

// watch shows the pool until ctx ends. A controller that goes away is waited for.
func (v *view) watch(ctx context.Context) error {
	client, done := v.client()
	defer done()
	trouble := ""
	for {
		shown, err := v.stream(ctx, client)
		switch {
		case ctx.Err() != nil:
			return nil
		case connect.IsWireError(err) && connect.CodeOf(err) != connect.CodeUnavailable:
			return v.explain(err)
		case err != nil && !isConnect(err):
			return err // of the output
		case err != nil && (shown || err.Error() != trouble):
			trouble = err.Error()
			fmt.Fprintf(v.errors, "orion-smi: %v; waiting for it\n", v.explain(err))
		}
		timer := time.NewTimer(retry)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// stream shows the pool as long as one answer of the controller lasts.
func (v *view) stream(ctx context.Context, client poolv1connect.PoolServiceClient) (shown bool, err error) {
	s, err := client.Watch(ctx, connect.NewRequest(&poolv1.WatchRequest{Protocol: poolv1.Protocol}))
	if err != nil {
		return false, err
	}
	defer s.Close()
	for s.Receive() {
		if v.clear {
			io.WriteString(v.out, "\x1b[H\x1b[2J")
		}
		if err := v.write(v.out, s.Msg().Pool); err != nil {
			return shown, err
		}
		shown = true
	}
	return shown, s.Err()
}

func isConnect(err error) bool {
	var e *connect.Error
	return errors.As(err, &e)
}

// explain turns the error of a call into words for a user.
func (v *view) explain(err error) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return err
	}
	if connect.IsWireError(err) {
		return fmt.Errorf("orion-controller at %s: %s", v.address, e.Message())
	}
	reason := e.Message()
	if e.Code() == connect.CodeDeadlineExceeded {
		reason = "it does not answer in time"
	}
	return fmt.Errorf("reach orion-controller at %s: %s; start it, or name another by --controller, ORION_CONTROLLER, or controller_addr in client.conf", v.address, reason)
}

// writer returns what writes a pool in the named format.
func writer(format string) (func(io.Writer, *poolv1.Pool) error, error) {
	switch format {
	case "table":
		return writeTables, nil
	case "json":
		return writeJSON, nil
	}
	return nil, fmt.Errorf("--output is %q: want table or json", format)
}

func writeJSON(w io.Writer, p *poolv1.Pool) error {
	b, err := protojson.MarshalOptions{Multiline: true, EmitDefaultValues: true}.Marshal(p)
	if err != nil {
		return fmt.Errorf("write the pool as JSON: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
