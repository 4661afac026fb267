// SPDX-License-Identifier: Apache-2.0

// Command vm-agent serves a test in its guest, see package agent. It looks for the port by its name, and serves one
// conversation after the other.
package main

import (
	"fmt"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/orion-vgpu/orion/tests/vm/agent"
)

func main() {
	server := rpc.NewServer()
	if err := server.Register(&agent.Service{}); err != nil {
		fmt.Fprintln(os.Stderr, "vm-agent:", err)
		os.Exit(1)
	}
	for ; ; time.Sleep(20 * time.Millisecond) {
		if err := serve(server); err != nil {
			// The host is not there, which is no matter for the console.
			continue
		}
	}
}

func serve(server *rpc.Server) error {
	path, err := find()
	if err != nil {
		return err
	}
	port, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer port.Close()
	if err := agent.Await(port); err != nil {
		return err
	}
	server.ServeConn(port)
	return nil
}

// find returns the device of the port: without udev there are no links by name.
func find() (string, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, n := range names {
		if b, err := os.ReadFile(n); err == nil && strings.TrimSpace(string(b)) == agent.Name {
			return "/dev/" + filepath.Base(filepath.Dir(n)), nil
		}
	}
	return "", fmt.Errorf("no port is named %s", agent.Name)
}
