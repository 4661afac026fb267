// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/release"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/proto/wire"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	good := newNode(t, "127.0.0.1:1")
	bad := newNode(t, "127.0.0.1:1", "listen_prot = 1")
	for _, c := range []struct {
		name  string
		node  *node
		args  []string
		fails bool
		want  []string
	}{
		{"help", good, []string{"--help"}, false, []string{"check-config", "sessions kill --all", "worker process"}},
		{"version", good, []string{"version"}, false, []string{release.Version, fmt.Sprint("protocol ", wire.Version)}},
		{"check-config", good, []string{"check-config"}, false, []string{good.socket, "127.0.0.1:1", "2 software GPUs", "host memory of each"}},
		{"check-config finds a mistake", bad, []string{"check-config"}, true, []string{bad.conf + ":10", "listen_prot", "listen_port"}},
		{"run finds a mistake", bad, []string{"run"}, true, []string{bad.conf + ":10", "listen_prot"}},
		{"socket mode", good, []string{"run", "--socket-mode", "rw"}, true, []string{"--socket-mode", "0660"}},
		{"region too small", good, []string{"run", "--region-mib", "16"}, true, []string{"--region-mib", "at least"}},
		{"region too large", good, []string{"run", "--region-mib", "99999999999"}, true, []string{"--region-mib"}},
		{"worker by hand", good, []string{"worker"}, true, []string{"started by oriond"}},
		{"unknown command", good, []string{"serve"}, true, []string{"serve"}},
		{"unknown output", good, []string{"sessions", "list", "-o", "xml"}, true, []string{"table or json"}},
		{"vm help", good, []string{"vm", "--help"}, false, []string{"virsh edit", "--qmp", "detach"}},
		{"vm snippet", good, []string{"vm", "enable", "web1", "--size", "1GiB", "--print"}, false,
			[]string{`<orion:vgpu xmlns:orion="https://orion-vgpu.org/domain/1" size="1GiB"/>`}},
		{"vm size is no power of two", good, []string{"vm", "enable", "web1", "--size", "100MiB"}, true, []string{"--size", "power of two"}},
		{"vm size has no unit", good, []string{"vm", "enable", "web1", "--size", "256"}, true, []string{"256MiB"}},
		{"vm wait", good, []string{"vm", "detach", "web1", "--wait", "0s"}, true, []string{"--wait", "1s"}},
		{"vm without oriond", good, []string{"vm", "detach", "web1"}, true, []string{"oriond does not run"}},
		{"vm attach what", good, []string{"vm", "attach"}, true, []string{"--qmp"}},
		{"vm output", good, []string{"vm", "list", "-o", "xml"}, true, []string{"table or json"}},
		{"no sessions", good, []string{"sessions", "list", "-o", "json"}, false, []string{"[]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out, err := c.node.command(c.args...).CombinedOutput()
			if (err != nil) != c.fails {
				t.Errorf("oriond %v: %v, want failure: %v\n%s", c.args, err, c.fails, out)
			}
			for _, w := range c.want {
				if !strings.Contains(string(out), w) {
					t.Errorf("oriond %v lacks %q:\n%s", c.args, w, out)
				}
			}
		})
	}
}

func TestNotify(t *testing.T) {
	if err := notify("READY=1"); err != nil {
		t.Errorf("without systemd: %v", err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64)
	if n, err := l.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("systemd gets %q, %v", b[:n], err)
	}
	os.Unsetenv("NOTIFY_SOCKET")
}

func TestClientText(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]record.Session{
		"42":       {Client: process.Ref{PID: 42}},
		"vm1":      {From: "10.0.0.7", Slice: &record.Slice{Domain: "vm1"}},
		"10.0.0.7": {From: "10.0.0.7"},
	} {
		if got := clientText(r); got != want {
			t.Errorf("client of %+v is %q, want %q", r, got, want)
		}
	}
}
