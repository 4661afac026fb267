// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// cleanUp ends the daemons and workers of the pool in folder $1 by the oriond at $2, when its input ends.
const cleanUp = `trap '' INT TERM HUP
cat >/dev/null
for conf in "$1"/node*.conf; do
	[ -e "$conf" ] && "$2" sessions kill --all --config "$conf" >/dev/null 2>&1
done
for pid in "$1"/*.pid; do
	kill -KILL "$(cat "$pid")" 2>/dev/null
done
rm -rf "$1"`

// watchdog is a process that cleans up when this one is gone before its time.
type watchdog struct {
	cmd *exec.Cmd
	io.Closer
}

func (c *Chain) watch(t testing.TB) *watchdog {
	t.Helper()
	w := &watchdog{cmd: exec.Command("/bin/sh", "-c", cleanUp, "sh", c.Dir, filepath.Join(c.Bin, "oriond"))}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := w.cmd.StdinPipe()
	if err == nil {
		err = w.cmd.Start()
	}
	if err != nil {
		os.RemoveAll(c.Dir)
		t.Fatalf("start the watchdog: %v", err)
	}
	w.Closer = pipe
	return w
}

// dismiss ends the watchdog without its work done.
func (w *watchdog) dismiss() {
	syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL)
	w.cmd.Wait()
	w.Close()
}
