// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Bounds of what a session may take by default, in MiB. NVIDIA's driver alone takes some 500 MiB in a worker, large
// libraries, all loaded at once, and their graphs a few GiB more: 4 GiB is enough for most programs, and 16 GiB for any
// that is known.
const (
	leastHostMemory = 4 << 10
	mostHostMemory  = 16 << 10
)

// HostMemory is how many bytes of this host's memory a session's worker may have for itself, 0 for no bound.
func (s *Server) HostMemory() (uint64, error) {
	if s.HostMemoryMiB >= 0 {
		return uint64(s.HostMemoryMiB) << 20, nil
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("read this host's memory, for which [server] host_memory_mib can be set: %w", err)
	}
	return defaultHostMemory(uint64(info.Totalram)*uint64(info.Unit)) << 20, nil
}

// defaultHostMemory is in MiB, a quarter of a host's memory in bytes: half may be in a session's region already.
func defaultHostMemory(total uint64) uint64 {
	return min(max(total>>20/4, leastHostMemory), mostHostMemory)
}
