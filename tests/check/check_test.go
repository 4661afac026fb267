// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

// report is what orion-check prints as JSON.
type report struct {
	Status      string
	Information map[string]any
	Checks      []struct{ Name, Status, Detail, Remedy string }
}

// run runs orion-check, and returns its exit status and findings by their names.
func run(t *testing.T, c *chain.Chain, env []string, args ...string) (int, report, map[string]string) {
	t.Helper()
	program := filepath.Join(chain.Build(t), "bin", "orion-check")
	r := c.RunEnv(t, env, program, append([]string{"runtime"}, append(args, "-o", "json")...)...)
	var got report
	if err := json.Unmarshal([]byte(r.Stdout), &got); err != nil {
		t.Fatalf("exit status %d, %v\n%s%s", r.Code, err, r.Stdout, r.Stderr)
	}
	found := map[string]string{}
	for _, f := range got.Checks {
		found[f.Name] = f.Status + " " + f.Detail + " -> " + f.Remedy
	}
	return r.Code, got, found
}

func expect(t *testing.T, found map[string]string, want map[string]string) {
	t.Helper()
	for name, words := range want {
		status, rest, _ := strings.Cut(words, " ")
		if !strings.HasPrefix(found[name], status) || !strings.Contains(found[name], rest) {
			t.Errorf("%s: %s, want %s", name, found[name], words)
		}
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	c := chain.Start(t, chain.Options{GPUs: 1, VGPUCount: 3})
	code, got, found := run(t, c, c.Env(), "client")
	if code != 0 {
		t.Errorf("exit status %d: %v", code, found)
	}
	expect(t, found, map[string]string{"library": "PASS " + c.Lib, "nvml": "PASS " + c.Lib, "socket": "PASS answers", "carrier": "PASS shared memory",
		"release": "PASS match", "controller": "PASS " + c.Address, "vgpus": "PASS 3 of 3", "environment": "PASS ORION_VGPU=1"})
	for name, want := range map[string]any{"vgpus_total": 3.0, "vgpus_free": 3.0, "controller_address": c.Address, "controller_reachable": true,
		"controller_address_from": "environment variable ORION_CONTROLLER"} {
		if got.Information[name] != want {
			t.Errorf("%s is %v, want %v", name, got.Information[name], want)
		}
	}
	if leases := c.Pool(t).Leases; len(leases) != 0 {
		t.Errorf("it took vGPUs: %v", leases)
	}

	_, _, found = run(t, c, c.Env("ORION_VGPU=many"), "client")
	expect(t, found, map[string]string{"environment": "FAIL many"})
	env := c.Env("LD_LIBRARY_PATH=")
	code, _, found = run(t, c, env, "client")
	if code != 1 {
		t.Errorf("without libraries: exit status %d", code)
	}
	expect(t, found, map[string]string{"library": "FAIL finds no libcuda.so.1"})

	c.Nodes[0].Stop(t)
	code, _, found = run(t, c, c.Env(), "client")
	if code != 1 {
		t.Errorf("without oriond: exit status %d", code)
	}
	expect(t, found, map[string]string{"carrier": "FAIL no way"})
}

// TestRelay has programs reach their node by orion-relay alone.
func TestRelay(t *testing.T) {
	t.Parallel()
	c := chain.Start(t, chain.Options{})
	conf, socket := filepath.Join(c.Dir, "relayed.conf"), filepath.Join(c.Dir, "relay.sock")
	text := fmt.Sprintf("[log]\nlog_to_file = false\n[client]\nenable_net = true\nsocket = %s/none.sock\nrelay_socket = %s\n", c.Dir, socket)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := c.Env("ORION_SOCKET=", "ORION_CONFIG="+conf)
	code, _, found := run(t, c, env, "client")
	if code != 1 {
		t.Errorf("without a relay: exit status %d", code)
	}
	expect(t, found, map[string]string{"relay": "FAIL " + socket, "carrier": "FAIL"})

	c.Go(t, env, filepath.Join(chain.Build(t), "bin", "orion-relay"), "run")
	chain.Within(t, "orion-relay listens", 30*time.Second, func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	code, got, found := run(t, c, env, "client")
	if code != 0 {
		t.Errorf("exit status %d: %v", code, found)
	}
	expect(t, found, map[string]string{"relay": "PASS answers", "carrier": "PASS orion-relay", "release": "PASS match"})
	if got.Information["enable_net"] != true || got.Information["carrier"] != "orion-relay" {
		t.Errorf("it tells %v", got.Information)
	}

	c.Nodes[0].Stop(t)
	code, _, found = run(t, c, env, "client")
	if code != 1 {
		t.Errorf("without an oriond: exit status %d", code)
	}
	expect(t, found, map[string]string{"relay": "FAIL no oriond", "carrier": "FAIL mend what failed above"})
}

func TestServer(t *testing.T) {
	t.Parallel()
	c := chain.Start(t, chain.Options{})
	n := c.Nodes[0]
	env := c.Env("LD_LIBRARY_PATH=", "ORION_CONTROLLER=")
	code, got, found := run(t, c, env, "server", "--config", n.Conf)
	// Other tests run oriond at the same time, which is worth a warning.
	if code != 0 {
		t.Errorf("exit status %d: %v", code, found)
	}
	expect(t, found, map[string]string{"config": "PASS " + n.Conf, "driver": "PASS software GPUs", "socket": "PASS " + n.Socket, "release": "PASS",
		"controller": "PASS " + c.Address, "node": "PASS with 2 GPUs", "vgpus": "PASS 8 of 8", "clock": "PASS", "kernel": "PASS"})
	if got.Information["vgpu_count"] != 4.0 || got.Information["enable_shm"] != true || len(got.Information["command"].([]any)) == 0 {
		t.Errorf("it tells %v", got.Information)
	}

	c.Controller.Stop(t)
	n.Stop(t)
	code, _, found = run(t, c, env, "server", "--config", n.Conf)
	if code != 1 {
		t.Errorf("all ended: exit status %d", code)
	}
	expect(t, found, map[string]string{"socket": "FAIL oriond", "controller": "FAIL " + c.Address, "node": "PASS not known"})
}
