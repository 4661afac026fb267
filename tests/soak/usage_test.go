// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// usage is what a process holds.
type usage struct {
	rss         int // KiB of resident memory
	descriptors int
	threads     int
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB, %d descriptors, %d threads", float64(u.rss)/1024, u.descriptors, u.threads)
}

var (
	rssLine    = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)
	threadLine = regexp.MustCompile(`(?m)^Threads:\s+(\d+)`)
)

// measure asks the kernel. Descriptors are -1 where this user may not see them.
func measure(t *testing.T, pid int) usage {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	number := func(r *regexp.Regexp) int {
		m := r.FindSubmatch(b)
		if m == nil {
			t.Fatalf("process %d has ended", pid)
		}
		n, _ := strconv.Atoi(string(m[1]))
		return n
	}
	u := usage{rss: number(rssLine), threads: number(threadLine), descriptors: -1}
	if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err == nil {
		u.descriptors = len(fds)
	}
	return u
}

// settled is measure once the connections that are closing have closed, or have had time to.
func settled(t *testing.T, pid int, before usage) usage {
	t.Helper()
	u := measure(t, pid)
	for start := time.Now(); u.descriptors > before.descriptors && time.Since(start) < 5*time.Second; u = measure(t, pid) {
		time.Sleep(50 * time.Millisecond)
	}
	return u
}

// idleConnections is how many connections between oriond and the controller may be open at one moment more than at
// another: two requests at once open a second, which is kept for a while. A leak would be of one for each round.
const idleConnections = 2

// flat fails the test when a process holds more than before: memory by more than slackMiB, or descriptors.
func flat(t *testing.T, who string, before, after usage, slackMiB int) {
	t.Helper()
	t.Logf("%s: %v, then %v", who, before, after)
	if grown := (after.rss - before.rss) / 1024; grown > slackMiB {
		t.Errorf("%s has grown by %d MiB", who, grown)
	}
	if after.descriptors > before.descriptors+idleConnections {
		t.Errorf("%s holds %d descriptors more", who, after.descriptors-before.descriptors)
	}
	if after.threads > before.threads+8 {
		t.Errorf("%s runs %d threads more", who, after.threads-before.threads)
	}
}
