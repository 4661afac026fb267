// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stop ends everything and says what would have stayed.
func (c *Chain) stop(t testing.TB) {
	t.Helper()
	ended := waitUntil(patience, func() bool { return len(c.workers()) == 0 })
	if !ended {
		t.Errorf("workers are left after their clients: %v", c.workers())
	}
	for _, n := range c.Nodes {
		if n.Running() {
			n.Stop(t)
		}
	}
	if c.Controller != nil && c.Controller.Running() {
		c.Controller.Stop(t)
	}
	for _, pid := range c.workers() {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, n := range c.Nodes {
		if _, err := os.Lstat(n.Socket); err == nil && ended {
			t.Errorf("the socket %s is left", n.Socket)
		}
	}
	// A process that ends loses its arguments, and its memory, before its descriptors.
	if ended && !waitUntil(patience, func() bool { return len(c.regionUsers()) == 0 }) {
		t.Errorf("regions are left with processes: %v", c.regionUsers())
	}
	if t.Failed() {
		c.showLogs(t)
	}
}

func waitUntil(limit time.Duration, ok func() bool) bool {
	for start := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > limit {
			return false
		}
	}
	return true
}

var sessionLog = regexp.MustCompile(`^\d{8}T\d{6}Z-([0-9a-f]+)-.*\.log$`)

// sessions returns the ids of all sessions that have been, by their logs.
func (c *Chain) sessions() []string {
	var ids []string
	logs, _ := filepath.Glob(filepath.Join(c.Dir, "*.log", "session", "*.log"))
	for _, l := range logs {
		if m := sessionLog.FindStringSubmatch(filepath.Base(l)); m != nil {
			ids = append(ids, m[1])
		}
	}
	return ids
}

// workers returns the worker processes of this pool: their arguments name their sessions.
func (c *Chain) workers() []int {
	ours := map[string]bool{}
	for _, id := range c.sessions() {
		ours[id] = true
	}
	var pids []int
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		b, _ := os.ReadFile(path)
		args := strings.Split(string(bytes.TrimRight(b, "\x00")), "\x00")
		if len(args) == 3 && args[0] == "oriond" && args[1] == "worker" && ours[args[2]] {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// RegionUsers returns the processes that map a session's region or hold a descriptor of it, of those that this
// user may look into.
func RegionUsers(session string) []int { return regionUsers()[session] }

var regionName = regexp.MustCompile(`memfd:orion-([0-9a-f]+)`)

// regionUsers finds the users of all regions, by session.
func regionUsers() map[string][]int {
	users := map[string][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		text, _ := os.ReadFile(dir + "/maps")
		fds, _ := os.ReadDir(dir + "/fd")
		for _, fd := range fds {
			link, _ := os.Readlink(dir + "/fd/" + fd.Name())
			text = append(append(text, link...), '\n')
		}
		for _, m := range regionName.FindAllSubmatch(text, -1) {
			id := string(m[1])
			if !slices.Contains(users[id], pid) {
				users[id] = append(users[id], pid)
			}
		}
	}
	return users
}

// regionUsers finds the users of this pool's regions, by session.
func (c *Chain) regionUsers() map[string][]int {
	ours := map[string][]int{}
	all := regionUsers()
	for _, id := range c.sessions() {
		if len(all[id]) > 0 {
			ours[id] = all[id]
		}
	}
	return ours
}

// showLogs prints the ends of all logs.
func (c *Chain) showLogs(t testing.TB) {
	t.Helper()
	if c.Controller != nil {
		t.Logf("orion-controller:\n%s", tail(c.Controller.Log()))
	}
	for _, n := range c.Nodes {
		t.Logf("oriond of %s:\n%s", n.NodeName, tail(n.Log()))
	}
	logs, _ := filepath.Glob(filepath.Join(c.Dir, "*.log", "session", "*.log"))
	for i, l := range logs {
		if i < len(logs)-5 {
			continue
		}
		b, _ := os.ReadFile(l)
		t.Logf("%s:\n%s", filepath.Base(l), tail(string(b)))
	}
}

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "..." + s[len(s)-most:]
	}
	return s
}

// SessionLog returns the log of a session.
func (n *Node) SessionLog(t testing.TB, id string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(n.LogDir, "session", "*-"+id+"-*.log"))
	if err != nil || len(found) != 1 {
		t.Fatalf("session %s has %d logs, want 1", id, len(found))
	}
	b, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
