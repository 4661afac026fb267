// SPDX-License-Identifier: Apache-2.0

package system

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Process is a running program.
type Process struct {
	PID     int
	UID     uint32 // its user
	Command string // its command line
}

// Trusted says whether what the process says of itself may be acted on: anybody can call a process anything. It is
// root's, or of who asks.
func (p Process) Trusted() bool { return p.UID == 0 || p.UID == uint32(os.Geteuid()) }

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
	uid := uint32(math.MaxUint32)
	var st unix.Stat_t
	if unix.Stat(s.Path(fmt.Sprintf("/proc/%d", pid)), &st) == nil {
		uid = st.Uid
	}
	return Process{pid, uid, strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == 0 }), " ")}
}

// Kernel returns the kernel's release, and its first two numbers.
func (s *System) Kernel() (release string, major, minor int) {
	release = s.Text("/proc/sys/kernel/osrelease")
	fmt.Sscanf(release, "%d.%d", &major, &minor)
	return release, major, minor
}
