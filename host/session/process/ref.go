// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Ref names a process for as long as the machine runs. The zero Ref names none.
type Ref struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks from boot to the start of the process
}

// Find returns the Ref of the process that has this PID now.
func Find(pid int) (Ref, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return Ref{}, fmt.Errorf("find process %d: %w", pid, ErrGone)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("find process %d: %w", pid, err)
	}
	start, err := startTime(b)
	if err != nil {
		return Ref{}, fmt.Errorf("find process %d: %w", pid, err)
	}
	return Ref{PID: pid, Start: start}, nil
}

// startTime reads field 22 of /proc/PID/stat. Field 2, the program's name in parentheses, may itself hold
// blanks and parentheses.
func startTime(stat []byte) (uint64, error) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, errors.New("read process status: no program name")
	}
	fields := bytes.Fields(stat[end+1:]) // from field 3 on
	if len(fields) < 20 {
		return 0, fmt.Errorf("read process status: %d fields after the program name", len(fields))
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read process status: %w", err)
	}
	return start, nil
}

// BootID identifies the present run of the machine, outside of which a Ref means nothing.
func BootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
