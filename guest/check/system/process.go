// SPDX-License-Identifier: Apache-2.0

package system

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is a running program.
type Process struct {
	PID     int
	Command string // its command line
}

// Processes finds programs of a name, with those whose command line is worker left out where it is given.
func (s *System) Processes(name, except string) []Process {
	var found []Process
	for _, path := range s.Glob("/proc/[0-9]*/comm") {
		if s.Text(path) != name {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		p := s.Process(pid)
		if except == "" || !strings.Contains(p.Command+" ", " "+except+" ") {
			found = append(found, p)
		}
	}
	return found
}

// Process tells of a process by its number.
func (s *System) Process(pid int) Process {
	line := s.Text(fmt.Sprintf("/proc/%d/cmdline", pid))
	return Process{pid, strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == 0 }), " ")}
}

// Kernel returns the kernel's release, and its first two numbers.
func (s *System) Kernel() (release string, major, minor int) {
	release = s.Text("/proc/sys/kernel/osrelease")
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	return release, major, minor
}
