// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Env returns the environment of a client of the first node, with more assignments.
func (c *Chain) Env(more ...string) []string { return c.EnvOf(c.Nodes[0], more...) }

// EnvOf returns the environment of a client of one node.
func (c *Chain) EnvOf(n *Node, more ...string) []string {
	return cleanEnv(append([]string{
		"HOME=" + c.Dir, "LD_LIBRARY_PATH=" + c.Lib, "ORION_VGPU=1", "ORION_CONFIG=" + c.Dir + "/client.conf",
		"ORION_SOCKET=" + n.Socket, "ORION_CONTROLLER=" + c.Address}, more...)...)
}

// Result is how a client has ended.
type Result struct {
	Stdout, Stderr string
	Code           int // exit status, -1 after a signal
	Took           time.Duration
}

// Run runs a program with the environment of a client to its end, for at most a minute.
func (c *Chain) Run(t testing.TB, program string, args ...string) Result {
	t.Helper()
	return c.RunEnv(t, c.Env(), program, args...)
}

// RunEnv is Run with another environment.
func (c *Chain) RunEnv(t testing.TB, env []string, program string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = env, &stdout, &stderr, time.Second
	start := time.Now()
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(start)}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v\n%s", program, err, r.Stderr)
	}
	r.Code = cmd.ProcessState.ExitCode()
	if ctx.Err() != nil {
		t.Errorf("%s did not end within a minute\nstdout: %s\nstderr: %s", program, r.Stdout, r.Stderr)
	}
	return r
}

// Client is a program that runs while the test goes on.
type Client struct {
	*exec.Cmd
	out, err output
	done     chan struct{}
}

// Go starts a program with the environment of a client. It is killed when the test ends, at the latest.
func (c *Chain) Go(t testing.TB, env []string, program string, args ...string) *Client {
	t.Helper()
	return c.GoInput(t, env, nil, program, args...)
}

// GoInput is Go with a standard input.
func (c *Chain) GoInput(t testing.TB, env []string, in io.Reader, program string, args ...string) *Client {
	t.Helper()
	p := &Client{Cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.Env, p.Stdin, p.Stdout, p.Stderr, p.WaitDelay = env, in, &p.out, &p.err, time.Second
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("%s printed:\n%s%s", program, p.Stdout, p.Stderr)
		}
	})
	return p
}

// Out returns what the program has written to its standard output so far.
func (p *Client) Out() string { return p.out.String() }

// Err returns what the program has written to its standard error so far.
func (p *Client) Err() string { return p.err.String() }

// WaitLine waits for a line on the program's standard output, and fails the test when the program ends first.
func (p *Client) WaitLine(t testing.TB, line string) {
	t.Helper()
	Within(t, "the client prints "+line, patience, func() bool {
		if containsLine(p.Out(), line) {
			return true
		}
		if !p.Running() {
			t.Fatalf("the client ended with %v before it printed %q:\n%s%s", p.ProcessState, line, p.Out(), p.Err())
		}
		return false
	})
}

func containsLine(text, line string) bool {
	return bytes.Contains([]byte("\n"+text), []byte("\n"+line+"\n"))
}

// Running says whether the program has not ended yet.
func (p *Client) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the program with SIGKILL and waits for it.
func (p *Client) Kill() {
	p.Process.Kill()
	<-p.done
}

// WaitExit waits for the program's end and returns its exit status; the test fails when it lives longer.
func (p *Client) WaitExit(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.Process.Signal(syscall.SIGKILL)
		<-p.done
		t.Fatalf("the client did not end within %v:\n%s%s", limit, p.Out(), p.Err())
	}
	return p.ProcessState.ExitCode()
}
