// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/orion-vgpu/orion/tests/vm/agent"
)

// pool is a pool of one node, which tests/with-pool runs for as long as its command waits for input.
type pool struct {
	cmd   *exec.Cmd
	life  io.Closer
	env   string // file that with-pool writes
	build string
}

func startPool(ctx context.Context, libvirt, build string) (*pool, error) {
	p := &pool{env: filepath.Join(build, "demo", "env"), build: build}
	p.cmd = exec.Command("tests/with-pool", "sh", "-c", "echo ready; cat >/dev/null")
	p.cmd.Env = append(os.Environ(), "LIBVIRT_URI="+libvirt, "WRITE_ENV="+p.env, "GPUS=auto", "BUILD="+build)
	p.cmd.Stderr = os.Stderr
	// Ctrl-C reaches this process first, which ends all in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start a pool: %w", err)
	}
	if p.life, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start a pool: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a pool: %w", err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		p.stop()
		return nil, fmt.Errorf("start a pool: it says %q: %w", line, err)
	}
	return p, ctx.Err()
}

// stop ends the pool: with-pool does the work.
func (p *pool) stop() {
	p.life.Close()
	p.cmd.Wait()
	os.Remove(p.env)
}

// command is a program of build/bin, led to the pool.
func (p *pool) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	script := `. "$1"; shift; program=$1; shift; [ "${program##*/}" != oriond ] || set -- "$@" --config "$ORION_POOL/node-a.conf"
exec "$program" "$@"`
	return exec.CommandContext(ctx, "bash", append([]string{"-c", script, "sh", p.env, filepath.Join(p.build, "bin", name)}, args...)...)
}

// show prints a command as a user would type it, and runs it.
func (p *pool) show(ctx context.Context, name string, args ...string) error {
	tell("$ " + name + " " + strings.Join(args, " "))
	out, err := p.command(ctx, name, args...).CombinedOutput()
	tell(strings.Split(strings.TrimRight(string(out), "\n"), "\n")...)
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// whileItRuns returns what orion-smi says of the pool when the program has a vGPU.
func (p *pool) whileItRuns(ctx context.Context, running *agent.Process) string {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		out, err := p.command(ctx, "orion-smi", "-o", "json").Output()
		if err == nil && strings.Contains(string(out), `"grantedAt"`) {
			break
		}
		if s, err := running.Poll(ctx); err != nil || s.Done {
			break
		}
	}
	time.Sleep(2 * time.Second) // for a heartbeat to tell of the memory in use
	out, err := p.command(ctx, "orion-smi").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%sorion-smi: %v\n", out, err)
	}
	return "$ orion-smi\n" + string(out)
}
