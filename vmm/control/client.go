// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/record"
)

// ErrAway says that no oriond answers.
var ErrAway = errors.New("oriond does not run, or enable_kvm=false in its configuration")

const answerTimeout = 10 * time.Second

// Client asks the oriond whose socket it has. It is safe for concurrent use.
type Client struct{ http http.Client }

// NewClient connects when it is asked.
func NewClient(socket string) *Client {
	var d net.Dialer
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}}
}

// Report returns what oriond knows of its virtual machines.
func (c *Client) Report(ctx context.Context) (vmm.Report, error) {
	var r vmm.Report
	return r, c.do(ctx, http.MethodGet, pathReport, nil, &r)
}

// Detach takes the device from a machine, and waits for that long until the guest has let go.
func (c *Client) Detach(ctx context.Context, name string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTimeout)
	defer cancel()
	return c.do(ctx, http.MethodPost, pathDetach, request{Name: name, Seconds: int(wait / time.Second)}, nil)
}

// Attach gives a machine its device again.
func (c *Client) Attach(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPost, pathAttach, request{Name: name}, nil)
}

// AttachMonitor gives a device to a QEMU that libvirt does not manage, or lets a machine's programs in.
func (c *Client) AttachMonitor(ctx context.Context, name string, m record.Monitor) error {
	return c.do(ctx, http.MethodPost, pathMonitor, request{Name: name, Socket: m.Socket, Size: m.Size, CID: m.CID, Vsock: m.Vsock}, nil)
}

func (c *Client) do(ctx context.Context, method, path string, send, receive any) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTimeout)
		defer cancel()
	}
	var body io.Reader
	if send != nil {
		b, err := json.Marshal(send)
		if err != nil {
			return fmt.Errorf("ask oriond: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://oriond"+path, body)
	if err != nil {
		return fmt.Errorf("ask oriond: %w", err)
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		return ErrAway
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("ask oriond: %w (run as the user that oriond runs as)", err)
	case err != nil:
		return fmt.Errorf("ask oriond: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("ask oriond: it answers %s: are both of the same release?", resp.Status)
		}
		return errors.New(f.Error)
	}
	if receive == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(receive); err != nil {
		return fmt.Errorf("read answer of oriond: %w", err)
	}
	return nil
}
