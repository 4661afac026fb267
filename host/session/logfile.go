// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/orion-vgpu/orion/host/session/record"
)

// keepLogs is how many session logs stay: thousands of short programs must not fill a disk with files.
const keepLogs = 1000

// createLog makes the log of a session, to which its worker writes.
func createLog(dir string, r record.Session) (*os.File, error) {
	name := fmt.Sprintf("%s-%s-%s.log", r.Since.UTC().Format("20060102T150405Z"), r.ID, fileName(r.Program))
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, fmt.Errorf("create session log: %w", err)
	}
	return f, nil
}

// fileName makes a part of a file name of what a client calls its program.
func fileName(program string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, path.Base(program))
	name = strings.TrimLeft(name, ".-")
	if name == "" || name == "_" {
		return "unknown"
	}
	return name[:min(len(name), 40)]
}

// appendLog adds oriond's last word on a session to its log, where that still exists.
func appendLog(path, text string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s oriond: %s\n", time.Now().Format(time.RFC3339), text)
}

// pruneLogs removes the oldest session logs beyond keepLogs, but none that is in use.
func pruneLogs(dir string, inUse func(path string) bool) error {
	entries, err := os.ReadDir(dir) // by name, so by age
	if err != nil {
		return fmt.Errorf("prune session logs: %w", err)
	}
	var logs []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".log") {
			logs = append(logs, filepath.Join(dir, e.Name()))
		}
	}
	for _, log := range logs[:max(0, len(logs)-keepLogs)] {
		if inUse(log) {
			continue
		}
		if err := os.Remove(log); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("prune session logs: %w", err)
		}
	}
	return nil
}
