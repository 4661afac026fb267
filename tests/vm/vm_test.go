// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"strings"
	"testing"
)

// TestGuest is about the ground that the others stand on: a guest boots, runs commands, takes and gives files, and
// answers again when it has booted anew.
func TestGuest(t *testing.T) {
	h := startHost(t)
	g := boot(t, h, baseImage(t, h))
	if out := g.ok(t, "uname", "-s"); out != "Linux\n" {
		t.Errorf("uname says %q", out)
	}
	if r := g.run(t, "sh", "-c", "echo out; echo err >&2; exit 3"); r.Code != 3 || string(r.Stdout) != "out\n" || string(r.Stderr) != "err\n" {
		t.Errorf("a command ended with %+v", r)
	}
	big := strings.Repeat("0123456789abcde\n", 1<<16)
	g.put(t, "/tmp/dir/big", 0o640, big)
	if out := g.ok(t, "sh", "-c", "stat -c %a /tmp/dir/big; md5sum </tmp/dir/big; cat /tmp/dir/big"); !strings.HasSuffix(out, big) || !strings.HasPrefix(out, "640\n") {
		t.Errorf("the file that came back has %d bytes", len(out))
	}
	if out := g.ok(t, "ip", "route"); !strings.Contains(out, "default via 10.0.2.2") {
		t.Errorf("the guest's routes are %q", out)
	}
	g.must(t, "reset")
	g.connect(t)
	if out := g.ok(t, "ls", "/tmp"); out != "" {
		t.Errorf("a guest that booted anew has %q in /tmp", out)
	}
}
