// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/orion-vgpu/orion/tests/vm/agent"
)

const portName = agent.Name

// bootTime is enough for a guest under emulation on a busy machine.
const bootTime = 4 * time.Minute

// Guest is a virtual machine that Define has made. Its commands may be used concurrently; what starts and ends it
// belongs to one goroutine.
type Guest struct {
	*agent.Client // of the present boot, since Connect
	Name          string
	host          *Host
}

// Boot starts the guest and waits until its agent answers.
func (g *Guest) Boot(ctx context.Context) error {
	if _, err := g.Virsh(ctx, "start"); err != nil {
		return err
	}
	return g.Connect(ctx)
}

// Connect waits for the agent, after a start or a reboot.
func (g *Guest) Connect(ctx context.Context) error {
	g.disconnect()
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	client, err := agent.Dial(ctx, g.path("port"))
	if err != nil {
		return fmt.Errorf("boot %s: %w\nits console: %s", g.Name, err, g.Console())
	}
	g.Client = client
	return nil
}

func (g *Guest) disconnect() {
	if g.Client != nil {
		g.Client.Close()
		g.Client = nil
	}
}

// Virsh runs a command of virsh on this guest: COMMAND NAME ARGS.
func (g *Guest) Virsh(ctx context.Context, command string, args ...string) (string, error) {
	return g.host.Virsh(ctx, append([]string{command, g.Name}, args...)...)
}

// Console returns the end of what the guest has written to its console.
func (g *Guest) Console() string {
	const most = 4000
	b, _ := os.ReadFile(g.path("console"))
	return strings.ToValidUTF8(string(b[max(0, len(b)-most):]), "?")
}

// Running says whether libvirt has the guest run.
func (g *Guest) Running(ctx context.Context) bool {
	state, err := g.Virsh(ctx, "domstate")
	return err == nil && state == "running"
}

// Remove ends the guest as pulling its plug would, and makes libvirt forget it.
func (g *Guest) Remove(ctx context.Context) error {
	g.disconnect()
	_, destroyErr := g.Virsh(ctx, "destroy")
	if _, err := g.Virsh(ctx, "undefine"); err != nil {
		return errors.Join(destroyErr, err)
	}
	for _, what := range []string{"initrd", "console", "xml", "port"} {
		os.Remove(g.path(what))
	}
	return nil // one that did not run is as good
}
