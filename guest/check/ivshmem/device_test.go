// SPDX-License-Identifier: Apache-2.0

package ivshmem

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/proto/wire"
)

const size = 1 << 20

// device makes a device whose memory begins with the header.
func device(t *testing.T, root, address, vendor string, header []byte) {
	t.Helper()
	dir := root + usualFolder + "/" + address
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	memory := make([]byte, size)
	copy(memory, header)
	table := "0x00000000febf1000 0x00000000febf10ff 0x0000000000040200\n0x0000000000000000 0x0000000000000000 0x0000000000000000\n" +
		"0x00000000fe000000 0x00000000fe0fffff 0x000000000014220c\n"
	for name, b := range map[string][]byte{"vendor": []byte(vendor + "\n"), "device": []byte("0x1110\n"), "resource": []byte(table),
		"resource2": memory, "resource2_wc": memory} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func header(address string) []byte {
	b := make([]byte, 4096)
	binary.LittleEndian.PutUint64(b[wire.DomMagic:], wire.DeviceMagic)
	binary.LittleEndian.PutUint32(b[wire.DomVersion:], wire.Version)
	binary.LittleEndian.PutUint32(b[wire.DomPort:], 9960)
	copy(b[wire.DomAddress:], address)
	return b
}

func machine(root string, user system.User) *system.System {
	return &system.System{Root: root, User: user, Lookup: func(string) (string, bool) { return "", false }}
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	device(t, root, "0000:00:03.0", "0x8086", header("")) // another maker's
	device(t, root, "0000:00:05.0", "0x1af4", header("192.0.2.1"))
	device(t, root, "0000:00:06.0", "0x1af4", []byte("somebody else's"))
	device(t, root, "0000:00:07.0", "0x1af4", bytes.Repeat([]byte{0xff}, 4096))
	s := machine(root, system.User{UID: uint32(os.Getuid())})
	found := Find(s)
	if len(found) != 3 {
		t.Fatalf("found %+v", found)
	}
	d := found[0]
	if d.Address != "0000:00:05.0" || d.Size != size || !d.Ours || d.Version != wire.Version || d.Port != 9960 || d.HostByTCP != "192.0.2.1" || d.Denied != nil || d.Unread != nil {
		t.Errorf("got %+v", d)
	}
	if found[1].Ours || found[1].Off || found[2].Ours || !found[2].Off {
		t.Errorf("got %+v", found[1:])
	}
	s.User = system.User{UID: uint32(os.Getuid()) + 1}
	if d := Find(s)[0]; d.Denied != fs.ErrPermission {
		t.Errorf("another user may use it: %v", d.Denied)
	}
	empty := filepath.Join(root, usualFolder, "0000:00:05.0/resource")
	for _, table := range []string{"", "0x0 0x0 0x0\n\n", "nonsense\n\nmore\n", "0 0 0\n0 0 0\n0xfff 0x0 0x0\n", strings.Repeat("0 0xffffffffffffffff 0\n", 3)} {
		if err := os.WriteFile(empty, []byte(table), 0o600); err != nil {
			t.Fatal(err)
		}
		if d := Find(s)[0]; d.Size != 0 {
			t.Errorf("by the table %q it has %d bytes", table, d.Size)
		}
	}
}

// TestMeasure sees that it is measured, and that nothing but the room between header and slices is written.
func TestMeasure(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	page := os.Getpagesize()
	before := header("")
	for i := page; i < size; i++ {
		before = append(before, byte(i))
	}
	device(t, root, "0000:00:05.0", "0x1af4", before)
	d := Find(machine(root, system.User{}))[0]
	if err := d.Measure(); err != nil {
		t.Fatal(err)
	}
	if len(d.Speeds) != 2 || d.Speeds[0].Write <= 0 || d.Speeds[1].Read <= 0 {
		t.Errorf("got %+v", d.Speeds)
	}
	after, err := os.ReadFile(root + usualFolder + "/0000:00:05.0/resource2")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(after[:page], before[:page]) || !bytes.Equal(after[wire.SliceOffset:], before[wire.SliceOffset:]) {
		t.Error("header or slices have changed")
	}
	d.Speeds = []Speed{{"resource2", 5, 1}, {"resource2_wc", 4, 2}, {"x", 9, 0.5}}
	if best, ok := d.Best(); !ok || best.File != "resource2_wc" {
		t.Errorf("best is %+v, %v", best, ok)
	}
}

// TestVanishes has the device go while it is read.
func TestVanishes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	device(t, root, "0000:00:05.0", "0x1af4", header(""))
	d := Find(machine(root, system.User{}))[0]
	if err := os.Truncate(root+usualFolder+"/0000:00:05.0/resource2", 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Measure(); err == nil || err.Error() != "the device has gone" {
		t.Errorf("got %v", err)
	}
}
