// SPDX-License-Identifier: Apache-2.0

// Package ivshmem looks at the shared memory that a virtual machine has with its host.
package ivshmem

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Devices lie here, a folder each.
const folder = "/sys/bus/pci/devices"

// Device is a PCI device 1af4:1110.
type Device struct {
	Address string // on the bus: 0000:00:05.0
	Size    uint64 // bytes of its memory
	Enabled bool   // its memory answers
	Group   string // that owns its memory's file

	Denied error // why the user may not map it, or nil
	Unread error // why this process could not map it, or nil; then nothing is known of what follows

	Ours       bool   // oriond has written its header
	Version    uint32 // of the protocol
	Port       uint32 // of oriond, for vsock and TCP
	HostByTCP  string // address of oriond; empty: the default gateway
	Speeds     []Speed
	folderPath string
}

// Find lists the devices of a machine, with all but the speeds filled in.
func Find(s *system.System) []Device {
	var found []Device
	for _, dir := range s.Glob(folder + "/*") {
		if s.Text(dir+"/vendor") != "0x1af4" || s.Text(dir+"/device") != "0x1110" {
			continue
		}
		d := Device{Address: filepath.Base(dir), folderPath: s.Path(dir), Group: s.Group(dir + "/resource2"),
			Enabled: s.Text(dir+"/enable") != "0"}
		if info, err := os.Stat(s.Path(dir + "/resource2")); err == nil {
			d.Size = uint64(info.Size())
		}
		d.Denied = s.Allowed(dir+"/resource2", system.Read|system.Write)
		d.Unread = d.readHeader()
		found = append(found, d)
	}
	return found
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
