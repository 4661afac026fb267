// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// asController makes this test binary the program itself.
const asController = "ORION_TEST_AS_CONTROLLER"

func TestMain(m *testing.M) {
	if os.Getenv(asController) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is orion-controller, with a configuration that logs into dir.
func program(t *testing.T, dir, text string, args ...string) *exec.Cmd {
	t.Helper()
	conf := filepath.Join(dir, "controller.conf")
	if err := os.WriteFile(conf, []byte("[log]\nlog_dir = "+dir+"\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], append([]string{"--config", conf}, args...)...)
	c.Env = append(os.Environ(), asController+"=1")
	return c
}

var listens = regexp.MustCompile(`orion-controller listens" address=(\S+)`)

// address waits until the log says where the controller listens.
func address(t *testing.T, dir string) string {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "controller.log"))
		if err != nil {
			continue
		}
		if m := listens.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	t.Fatal("orion-controller does not start")
	return ""
}

func TestProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := program(t, dir, "log_to_screen = false\n[controller]\nlisten_addr = 127.0.0.1:0\n")
	var screen bytes.Buffer
	p.Stderr, p.Stdout = &screen, &screen
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Wait() }()
	t.Cleanup(func() { p.Process.Kill() })

	at := address(t, dir)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := poolv1connect.NewPoolServiceClient(&http.Client{Transport: transport}, "http://"+at)
	watch, err := client.Watch(t.Context(), connect.NewRequest(&poolv1.WatchRequest{Protocol: poolv1.Protocol}))
	if err != nil || !watch.Receive() {
		t.Fatal(err, watch.Err())
	}
	defer watch.Close()

	second := program(t, t.TempDir(), "[controller]\nlisten_addr = "+at+"\n")
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "the port is taken") {
		t.Errorf("a second controller at one address: %v\n%s", err, out)
	}

	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil || screen.Len() != 0 {
			t.Errorf("ended with %v, and on the screen %q", err, screen.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("does not end when told, while somebody watches")
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "controller.log")); !strings.Contains(string(text), "orion-controller stopped") {
		t.Errorf("log ends with\n%s", text)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the parallel subtests
	for _, c := range []struct {
		name, text string
		args       []string
		want       string
	}{
		{"key", "[controller]\nlisten_adr = :1\n", nil, "controller.conf:4: [controller] has no key listen_adr; did you mean listen_addr?"},
		{"flag's value", "", []string{"--listen", "here"}, `--listen is "here": want an address and a port`},
		{"flag", "", []string{"--lisen", ":1"}, "unknown flag: --lisen"},
		{"argument", "", []string{"start"}, `unknown command "start"`},
		{"port taken", "", []string{"--listen", taken.Addr().String()}, "the port is taken"},
		{"not our address", "", []string{"--listen", "192.0.2.1:1"}, "listen on 192.0.2.1:1 ([controller] listen_addr)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := program(t, t.TempDir(), c.text, c.args...)
			out, err := p.CombinedOutput()
			if err == nil || p.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), c.want) {
				t.Errorf("got %v, want %s\n%s", err, c.want, out)
			}
		})
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"version": fmt.Sprintf("pool protocol %d", poolv1.Protocol),
		"--help":  "curl http://127.0.0.1:9123/healthz",
	} {
		var out bytes.Buffer
		c := command()
		c.SetOut(&out)
		c.SetArgs([]string{arg})
		if err := c.Execute(); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: got %v\n%s", arg, err, out.String())
		}
	}
}
