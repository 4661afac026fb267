// SPDX-License-Identifier: Apache-2.0

package linker

import (
	"debug/elf"
	"fmt"
	"strconv"
	"strings"
)

// Orion says what release of Orion a library is of, by the section that the guest's libraries have for that, and by
// which commands it speaks to oriond, 0 where it does not. ours is false for a library of somebody else.
func (l *Linker) Orion(path string) (release string, commands uint64, ours bool) {
	f, err := elf.Open(l.root + path)
	if err != nil {
		return "", 0, false
	}
	defer f.Close()
	s := f.Section(".orion")
	if s == nil || s.Size > 4096 {
		return "", 0, false
	}
	b, err := s.Data()
	if err != nil {
		return "", 0, false
	}
	for _, field := range strings.Fields(strings.TrimRight(string(b), "\x00")) {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "release":
			release = value
		case "commands":
			commands, _ = strconv.ParseUint(strings.TrimRight(value, "ulUL"), 0, 64)
		}
	}
	return release, commands, release != ""
}

// Glibc returns the newest version of glibc's symbols that the C library at path has, such as 2, 36.
func (l *Linker) Glibc(path string) (major, minor int, err error) {
	f, err := elf.Open(l.root + path)
	if err != nil {
		return 0, 0, fmt.Errorf("read the C library: %w", err)
	}
	defer f.Close()
	versions, err := f.DynamicVersions()
	if err != nil {
		return 0, 0, fmt.Errorf("read the C library: %w", err)
	}
	for _, v := range versions {
		var a, b int
		if n, _ := fmt.Sscanf(v.Name, "GLIBC_%d.%d", &a, &b); n == 2 && (a > major || a == major && b > minor) {
			major, minor = a, b
		}
	}
	if major == 0 {
		return 0, 0, fmt.Errorf("read the C library: %s is not glibc", path)
	}
	return major, minor, nil
}
