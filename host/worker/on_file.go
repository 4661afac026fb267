// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

// hosts says whether n bytes at an address are memory that a copy may name: of the region, where staging is then
// ready for it, or of a file that the client has had registered.
func (s *server) hosts(p driver.HostPtr, n uint64) bool {
	if s.region.contains(p, n) {
		s.stage(p, n)
		return true
	}
	return len(s.memory.files) > 0 && s.memory.inFile(p, n)
}

// onHostMap registers memory that the client shares with other processes: its file came by the socket. The
// client's own address is taken where it is free, so that kernels can use the client's pointers.
func (s *server) onHostMap(api driver.API, at, bytes, offset, device, inode uint64) (uint64, driver.DevicePtr, driver.Result) {
	fd := s.mail.take()
	if fd < 0 {
		return 0, 0, driver.ErrorInvalidValue
	}
	defer unix.Close(fd)
	defer s.atHome(api)()
	p, err := mapFile(&s.memory.vacant, fd, at, bytes, offset, device, inode)
	if err != nil {
		s.log.Debug("shared memory is not registered", "reason", err)
		return 0, 0, driver.ErrorNotSupported
	}
	host := driver.HostPtr(p)
	if !s.memory.addFile(host, bytes) {
		s.memory.vacant.leave(p, bytes)
		return 0, 0, driver.ErrorOutOfMemory
	}
	r := api.MemHostRegister(host, bytes, registerPortable|registerDeviceMap)
	var ptr driver.DevicePtr
	if r == driver.Success {
		if ptr, r = api.MemHostGetDevicePointer(host, 0); r != driver.Success {
			api.MemHostUnregister(host)
		}
	}
	if r != driver.Success {
		s.memory.removeFile(host)
		s.memory.vacant.leave(p, bytes)
		return 0, 0, r
	}
	return p, ptr, driver.Success
}

func (s *server) onHostUnmap(api driver.API, at uint64) driver.Result {
	defer s.atHome(api)()
	return s.dropFile(api, at)
}

// dropFile ends a registration of a client's file.
func (s *server) dropFile(api driver.API, at uint64) driver.Result {
	bytes, ok := s.memory.removeFile(driver.HostPtr(at))
	if !ok {
		return driver.ErrorInvalidValue
	}
	r := api.MemHostUnregister(driver.HostPtr(at))
	s.memory.vacant.leave(at, bytes)
	return r
}

// mapFile maps a part of the file that a client means, at an address if that is free, and else anywhere.
func mapFile(vacant *vacancies, fd int, at, bytes, offset, device, inode uint64) (uint64, error) {
	const page, highest = 4096, 1 << 46
	var file unix.Stat_t
	if err := unix.Fstat(fd, &file); err != nil {
		return 0, fmt.Errorf("map a client's file: %w", err)
	}
	if file.Mode&unix.S_IFMT != unix.S_IFREG || uint64(file.Dev) != device || file.Ino != inode {
		return 0, fmt.Errorf("map a client's file: it is another one than it says")
	}
	if bytes == 0 || (at|bytes|offset)%page != 0 || bytes > highest || offset > highest || file.Size < 0 ||
		offset+bytes > (uint64(file.Size)+page-1)&^(page-1) {
		return 0, fmt.Errorf("map a client's file: %d bytes from %d on, of %d", bytes, offset, file.Size)
	}
	if vacant.take(at, bytes) {
		if err := mapFixed(fd, at, bytes, offset); err != nil {
			vacant.leave(at, bytes)
			return 0, fmt.Errorf("map a client's file: %w", err)
		}
		return at, nil
	}
	p, _, errno := unix.Syscall6(unix.SYS_MMAP, 0, uintptr(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, uintptr(fd), uintptr(offset))
	if errno != 0 {
		return 0, fmt.Errorf("map a client's file: %w", errno)
	}
	return uint64(p), nil
}
