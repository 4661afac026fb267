// SPDX-License-Identifier: Apache-2.0

// Command vm-agent serves a test in its guest, see package agent. It looks for the port by its name, and serves one
// conversation after the other.
package main

import (
	"errors"
	"fmt"
	"io"
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
	if err := serve(server); err != nil { // init starts the agent again
		fmt.Fprintln(os.Stderr, "vm-agent:", err)
		time.Sleep(time.Second)
		os.Exit(1)
	}
}

// pause is between looks at a port whose other end nobody has.
const pause = 20 * time.Millisecond

func serve(server *rpc.Server) error {
	path, err := find()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for ; ; time.Sleep(pause) {
		switch err := agent.Await(file); {
		case err == nil:
			server.ServeConn(port{file})
		case !errors.Is(err, io.EOF):
			return err
		}
	}
}

// port stays open between conversations: closing it would discard the next one's beginning.
type port struct{ *os.File }

func (port) Close() error { return nil }

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
