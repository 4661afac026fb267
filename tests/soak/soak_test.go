// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/tests/chain"
)

const rounds = 10

// full asks for the long form.
var full = os.Getenv("ORION_SOAK") == "full"

func count(long, short int) int {
	if full {
		return long
	}
	return short
}

// TestWorkingSet has one client do the same things again and again. What client, worker and oriond hold after
// the second round they hold after the last.
func TestWorkingSet(t *testing.T) {
	t.Parallel()
	program := chain.CC(t, filepath.Join("testdata", "soak.c"))
	for _, c := range []struct {
		what        string
		long, short int // in all rounds
	}{
		{"launches", 10_000_000, 200_000},
		{"allocations", 1_000_000, 50_000},
		{"pinned", 200_000, 10_000},
		{"objects", 500_000, 10_000},
		{"modules", 20_000, 1000},
		{"copies", 200_000, 5000},
	} {
		t.Run(c.what, func(t *testing.T) {
			f := chain.Start(t, chain.Options{})
			in, feed, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer feed.Close()
			began := time.Now()
			n := count(c.long, c.short)
			p := f.GoInput(t, f.Env("ORION_GMEM=256"), in, program, c.what, strconv.Itoa(n/rounds))
			in.Close()
			worker := 0
			var before, after [3]usage
			for round := 1; round <= rounds; round++ {
				waitRound(t, p, round)
				if worker == 0 {
					worker = f.Nodes[0].WaitSession(t, p.Process.Pid).Worker.PID
				}
				after = [3]usage{measure(t, p.Process.Pid), measure(t, worker), measure(t, f.Nodes[0].PID())}
				if round == 2 {
					before = after
				}
				if _, err := feed.WriteString("\n"); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d %s in %v", n, c.what, time.Since(began).Round(time.Millisecond))
			flat(t, "client", before[0], after[0], 6) // the ring is touched bit by bit
			flat(t, "worker", before[1], after[1], 24)
			flat(t, "oriond", before[2], after[2], 8)
			feed.Close()
			if code := p.WaitExit(t, time.Minute); code != 0 {
				t.Errorf("the client ended with %d: %s", code, p.Err())
			}
		})
	}
}

// waitRound waits until the client has done so many rounds.
func waitRound(t *testing.T, p *chain.Client, n int) {
	t.Helper()
	limit := 2 * time.Minute
	if full {
		limit = time.Hour
	}
	chain.Within(t, "a round of the client", limit, func() bool {
		if !p.Running() {
			t.Fatalf("the client ended with %v: %s", p.ProcessState, p.Err())
		}
		return strings.Count(p.Out(), "round\n") >= n
	})
}

// TestManyProcesses starts short programs one after the other, some of which are killed. oriond and the
// controller hold what they held, and no session, region or log is left over.
func TestManyProcesses(t *testing.T) {
	t.Parallel()
	f := chain.Start(t, chain.Options{})
	program := chain.CC(t, filepath.Join("testdata", "soak.c"))
	n := count(1000, 60)
	var before [2]usage
	began := time.Now()
	for i := range n {
		if i%10 == 9 {
			p := f.Go(t, f.Env(), program, "launches", "100000000")
			f.Nodes[0].WaitSession(t, p.Process.Pid)
			p.Kill()
		} else if r := f.Run(t, program, "launches", "10"); r.Code != 0 {
			t.Fatalf("program %d ended with %d: %s", i, r.Code, r.Stderr)
		}
		if i == n/5 {
			before = [2]usage{measure(t, f.Nodes[0].PID()), measure(t, f.Controller.PID())}
		}
	}
	t.Logf("%d processes in %v", n, time.Since(began).Round(time.Millisecond))
	f.WaitLeases(t, 0, 5*time.Second)
	flat(t, "oriond", before[0], settled(t, f.Nodes[0].PID(), before[0]), 8)
	flat(t, "controller", before[1], settled(t, f.Controller.PID(), before[1]), 8)
	if left := f.Nodes[0].Sessions(t); len(left) > 0 {
		t.Errorf("%d sessions have records and no process", len(left))
	}
}
