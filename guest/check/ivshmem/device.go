// SPDX-License-Identifier: Apache-2.0

// Package ivshmem looks at the shared memory that a virtual machine has with its host.
package ivshmem

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Devices lie here, a folder each, unless ORION_PCI_DIR names another, for tests.
const usualFolder = "/sys/bus/pci/devices"

// Device is a PCI device 1af4:1110.
type Device struct {
	Address string // on the bus: 0000:00:05.0
	Size    uint64 // bytes of its memory
	Group   string // that owns its memory's file

	Denied error // why the user may not map it, or nil
	Unread error // why this process could not map it, or nil; then nothing is known of what follows

	Ours       bool   // oriond has written its header
	Off        bool   // its memory reads as if it were switched off
	Version    uint32 // of the protocol
	Port       uint32 // of oriond, for vsock and TCP
	HostByTCP  string // address of oriond; empty: the default gateway
	Speeds     []Speed
	folderPath string
}

// Find lists the devices of a machine, with all but the speeds filled in.
func Find(s *system.System) []Device {
	var found []Device
	folder := s.Env("ORION_PCI_DIR")
	if folder == "" {
		folder = usualFolder
	}
	for _, dir := range s.Glob(folder + "/*") {
		if s.Text(dir+"/vendor") != "0x1af4" || s.Text(dir+"/device") != "0x1110" {
			continue
		}
		d := Device{Address: filepath.Base(dir), folderPath: s.Path(dir), Group: s.Group(dir + "/resource2"),
			Size: memorySize(s.Text(dir + "/resource"))}
		d.Denied = s.Allowed(dir+"/resource2", system.Read|system.Write)
		d.Unread = d.readHeader()
		found = append(found, d)
	}
	return found
}

// memorySize finds the size of the device's memory, BAR 2, in the table of the file resource: a line for each BAR with
// first address, last address and flags. The sizes of files do not tell it on every kernel.
func memorySize(table string) uint64 {
	lines := strings.Split(table, "\n")
	if len(lines) < 3 {
		return 0
	}
	var first, last, flags uint64
	if n, _ := fmt.Sscanf(lines[2], "%v %v %v", &first, &last, &flags); n != 3 || last <= first || last-first >= 1<<62 {
		return 0
	}
	return last - first + 1
}

// readHeader reads what oriond has written for the guest.
func (d *Device) readHeader() error {
	page, unmap, err := d.mapFile("resource2", 0, os.Getpagesize(), false)
	if err != nil {
		return err
	}
	defer unmap()
	header := make([]byte, wire.DomAddress+wire.DomAddressBytes)
	if err := copyMapped(header, page); err != nil {
		return err
	}
	le := binary.LittleEndian
	d.Ours = le.Uint64(header[wire.DomMagic:]) == wire.DeviceMagic
	d.Off = le.Uint64(header[wire.DomMagic:]) == math.MaxUint64
	if !d.Ours {
		return nil
	}
	d.Version = le.Uint32(header[wire.DomVersion:])
	d.Port = le.Uint32(header[wire.DomPort:])
	address, _, _ := bytes.Cut(header[wire.DomAddress:], []byte{0})
	d.HostByTCP = string(address)
	return nil
}

// mapFile maps a part of one of the device's files.
func (d *Device) mapFile(name string, offset int64, size int, write bool) (b []byte, unmap func(), err error) {
	mode, prot := unix.O_RDONLY, unix.PROT_READ
	if write {
		mode, prot = unix.O_RDWR, unix.PROT_READ|unix.PROT_WRITE
	}
	fd, err := unix.Open(filepath.Join(d.folderPath, name), mode|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(fd)
	if b, err = unix.Mmap(fd, offset, size, prot, unix.MAP_SHARED); err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", name, err)
	}
	return b, func() { unix.Munmap(b) }, nil
}
