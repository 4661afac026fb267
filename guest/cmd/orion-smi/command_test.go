// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/orion-vgpu/orion/controller/api"
	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/controller/store"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/tests/loopback"
)

// serve runs a controller with one node until stop is called, or the test ends.
func serve(t *testing.T, address string) (p *pool.Pool, at string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p = pool.New(pool.Config{Store: store.NewMemory(), Log: log})
	beat(t, p, "one")
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := api.Serve(ctx, l, p, log); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return p, l.Addr().String(), stop
}

func beat(t *testing.T, p *pool.Pool, node string) {
	t.Helper()
	err := p.Heartbeat(context.Background(), &poolv1.HeartbeatRequest{Sequence: 1, Node: &poolv1.Node{Name: node, BootId: "b", Instance: "i", VgpuCount: 4,
		StartedAt: timestamppb.Now(), Gpus: []*poolv1.GPU{{Uuid: "GPU-0", Name: "Soft", MemoryBytes: 1 << 30}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// smi runs the command, in an environment without Orion's variables and files but those given.
func smi(t *testing.T, ctx context.Context, out *buffer, args ...string) error {
	t.Helper()
	c := command()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(out)
	return c.ExecuteContext(ctx)
}

// buffer is a bytes.Buffer for one who writes and one who reads.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestOnce(t *testing.T) {
	_, at, _ := serve(t, "127.0.0.1:0")
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("ORION_CONFIG", "")
	t.Setenv("ORION_SOCKET", "")
	write := func(path, address string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("[controller]\ncontroller_addr = "+address+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const nowhere = "127.0.0.1:1"
	named := write(filepath.Join(home, "named.conf"), at)
	for _, c := range []struct {
		name      string
		env, user string
		args      []string
		want      string
	}{
		{"flag over all", nowhere, nowhere, []string{"--controller", at}, ""},
		{"environment over the file", at, nowhere, nil, ""},
		{"user's file", "", at, nil, ""},
		{"named file", "", nowhere, []string{"--config", named}, ""},
		{"nobody there", nowhere, at, nil, "reach orion-controller at 127.0.0.1:1"},
		{"nonsense in the environment", "x", at, nil, `ORION_CONTROLLER is "x"`},
		{"nonsense as flag", "", at, []string{"--controller", "x"}, `--controller is "x": want an address and a port`},
		{"nonsense as output", "", at, []string{"-o", "xml"}, `--output is "xml": want table or json`},
		{"nonsense in the file", "", "x", nil, "client.conf:2: [controller] controller_addr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("ORION_CONTROLLER", c.env)
			write(filepath.Join(home, ".orion/client.conf"), c.user)
			var out buffer
			err := smi(t, t.Context(), &out, c.args...)
			switch {
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			case c.want == "" && (err != nil || !strings.Contains(out.String(), "| one ")):
				t.Errorf("got %v\n%s", err, out.String())
			}
		})
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	_, at, _ := serve(t, "127.0.0.1:0")
	var out buffer
	if err := smi(t, t.Context(), &out, "--controller", at, "-o", "json"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Nodes []struct {
			State string
			Node  struct{ Name string }
		}
		Leases []any
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Nodes) != 1 || got.Nodes[0].Node.Name != "one" || got.Nodes[0].State != "STATE_READY" || got.Leases == nil {
		t.Errorf("got %s", out.String())
	}
}

// TestWatch has the controller change, go away, and come back.
func TestWatch(t *testing.T) {
	t.Parallel()
	p, at, stop := serve(t, loopback.Listen())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out buffer
	done := make(chan error, 1)
	go func() { done <- smi(t, ctx, &out, "--controller", at, "--watch") }()
	see := func(text string, times int) {
		t.Helper()
		for end := time.Now().Add(15 * time.Second); strings.Count(out.String(), text) < times; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never saw %q %d times:\n%s", text, times, out.String())
			}
		}
	}
	see("| one ", 1)
	beat(t, p, "two")
	see("| two ", 1)
	stop()
	see("waiting for it", 1)
	p, _, _ = serve(t, at)
	beat(t, p, "three")
	see("| three ", 1)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
