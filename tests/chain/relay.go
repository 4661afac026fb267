// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"testing"
)

// Relay is one orion-relay.
type Relay struct {
	*Daemon
	Socket string
	Conf   string // client.conf, for the relay and its programs
}

// StartRelay runs an orion-relay that takes programs to the oriond at server, host:port, or where that is empty
// to the nodes that the controller names. It ends with the test.
func (c *Chain) StartRelay(t testing.TB, name, server string) *Relay {
	t.Helper()
	r := &Relay{Socket: filepath.Join(c.Dir, name+".sock")}
	r.Conf = c.write(t, name+".conf", fmt.Sprintf(`[log]
log_to_file = false
log_level = WARNING
[controller]
controller_addr = %s
[client]
enable_net = true
server_addr = %s
relay_socket = %s
socket = %s
`, c.Address, server, r.Socket, filepath.Join(c.Dir, "no-oriond.sock")))
	r.Daemon = c.daemon(name, "orion-relay", "run", "--config", r.Conf)
	r.Restart(t)
	t.Cleanup(func() {
		if r.Running() {
			r.Stop(t)
		}
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, r.Log())
		}
	})
	return r
}

// Restart starts the relay, again, and waits until it serves.
func (r *Relay) Restart(t testing.TB) {
	t.Helper()
	if err := r.start(); err != nil {
		t.Fatal(err)
	}
	Within(t, "orion-relay answers", patience, func() bool {
		if !r.Running() {
			t.Fatalf("orion-relay ended: %v\n%s", r.cmd.ProcessState, r.Log())
		}
		conn, err := net.Dial("unix", r.Socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// EnvRelayed returns the environment of a client of a relay, with more assignments.
func (c *Chain) EnvRelayed(r *Relay, more ...string) []string {
	return cleanEnv(append([]string{"HOME=" + c.Dir, "LD_LIBRARY_PATH=" + c.Lib, "ORION_VGPU=1", "ORION_CONFIG=" + r.Conf}, more...)...)
}

var serves = regexp.MustCompile(`oriond listens.* address="?(127\.0\.0\.1:\d+)`)

// DataAddress is where the node's oriond listens for other machines, host:port.
func (n *Node) DataAddress(t testing.TB) string {
	t.Helper()
	var address string
	Within(t, n.NodeName+" tells its address", patience, func() bool {
		all := serves.FindAllStringSubmatch(n.Log(), -1)
		if len(all) > 0 {
			address = all[len(all)-1][1]
		}
		return len(all) > 0
	})
	return address
}
