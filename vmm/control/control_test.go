// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/vmm"
	"github.com/orion-vgpu/orion/vmm/record"
)

type fake struct {
	mu    sync.Mutex
	calls []string
	fail  error
	got   record.Monitor
}

func (f *fake) call(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	return f.fail
}

func (f *fake) Report() vmm.Report {
	return vmm.Report{Machines: []vmm.Status{{Name: "web1", State: vmm.Attached, Size: 64 << 20, Slices: 2}}, Hypervisor: "away"}
}

func (f *fake) Detach(ctx context.Context, name string) error {
	if name == "stuck" {
		<-ctx.Done()
		return errors.New("the guest has not let go")
	}
	return f.call("detach " + name)
}
func (f *fake) Attach(name string) error { return f.call("attach " + name) }
func (f *fake) AttachMonitor(name string, m record.Monitor) error {
	f.got = m
	return f.call("monitor " + name)
}

func serve(t *testing.T, m Machines) (socket string, stop func()) {
	t.Helper()
	socket = Socket(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := Serve(ctx, socket, m); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		info, err := os.Stat(socket)
		if err == nil && info.Mode().Perm() == 0o600 {
			return socket, stop
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("socket: %v, %v", info, err)
		}
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	f := &fake{}
	socket, stop := serve(t, f)
	c := NewClient(socket)
	ctx := t.Context()
	if r, err := c.Report(ctx); err != nil || !reflect.DeepEqual(r, f.Report()) {
		t.Errorf("Report() = %+v, %v", r, err)
	}
	mon := record.Monitor{Socket: "/x", Size: 64 << 20, CID: 7}
	if err := errors.Join(c.Detach(ctx, "a", time.Second), c.Attach(ctx, "b"), c.AttachMonitor(ctx, "c", mon)); err != nil {
		t.Error(err)
	}
	if want := []string{"detach a", "attach b", "monitor c"}; !reflect.DeepEqual(f.calls, want) || f.got != mon {
		t.Errorf("oriond heard %q and %+v", f.calls, f.got)
	}
	f.fail = errors.New("it does not run")
	if err := c.Attach(ctx, "b"); err == nil || err.Error() != "it does not run" {
		t.Errorf("Attach() = %v", err)
	}
	if err := c.Detach(ctx, "stuck", time.Second); err == nil || !strings.Contains(err.Error(), "let go") {
		t.Errorf("Detach() = %v", err)
	}
	stop()
	if _, err := c.Report(ctx); !errors.Is(err, ErrAway) {
		t.Errorf("Report() without oriond = %v", err)
	}
}

func TestSocketOfAnEarlierOriond(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: Socket(dir), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	c := NewClient(Socket(dir))
	if _, err := c.Report(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("Report() = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Serve(ctx, Socket(dir), &fake{}) }()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := c.Report(t.Context()); err == nil {
			break
		} else if time.Since(start) > 10*time.Second {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Serve(t.Context(), filepath.Join(dir, "absent", "control"), &fake{}); err == nil {
		t.Error("served in a folder that is not there")
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	f := &fake{}
	socket, _ := serve(t, f)
	c := NewClient(socket)
	for _, body := range []string{"", "{", `{"name":7}`, `{"name":"` + strings.Repeat("x", 2*maxRequest) + `"}`} {
		resp, err := c.http.Post("http://oriond"+pathAttach, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusConflict {
			t.Errorf("%.20q: %s", body, resp.Status)
		}
	}
	if len(f.calls) != 0 {
		t.Errorf("oriond heard %q", f.calls)
	}
	if err := c.do(t.Context(), http.MethodGet, "/v2/x", nil, nil); err == nil || !strings.Contains(err.Error(), "same release") {
		t.Errorf("another release: %v", err)
	}
}
