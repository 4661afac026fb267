// SPDX-License-Identifier: Apache-2.0

package ivshmem

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
)

const testSize = 64 << 20

func newTestRegion(t *testing.T, access Access) (*Region, string) {
	t.Helper()
	dir := t.TempDir()
	name, err := NewName()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Create(dir, name, testSize, access)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, filepath.Join(dir, name)
}

func nobody() Access { return Access{UID: -1, GID: -1} }

func TestRegionsFile(t *testing.T) {
	t.Parallel()
	access := nobody()
	if os.Geteuid() == 0 {
		access = Access{UID: 12345, GID: 23456}
	}
	r, path := newTestRegion(t, access)
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	if stat.Size != testSize || stat.Blocks != 0 {
		t.Errorf("%d bytes in %d blocks, want %d in none", stat.Size, stat.Blocks, testSize)
	}
	if os.Geteuid() == 0 && (stat.Uid != 12345 || stat.Gid != 23456 || stat.Mode&0o7777 != 0o660) {
		t.Errorf("owner %d:%d, mode %o", stat.Uid, stat.Gid, stat.Mode)
	}
	if err := r.Seal(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	if int(stat.Uid) != os.Geteuid() || stat.Mode&0o7777 != 0o600 {
		t.Errorf("sealed: owner %d, mode %o", stat.Uid, stat.Mode)
	}
	if _, err := Create(filepath.Dir(path), r.Name(), testSize, nobody()); err == nil {
		t.Error("a second region of the same name")
	}
	if err := r.Unlink(); err != nil {
		t.Fatal(err)
	}
	if err := r.Unlink(); err != nil {
		t.Errorf("second Unlink: %v", err)
	}
}

func TestOpenTakesOnlyRegions(t *testing.T) {
	t.Parallel()
	r, path := newTestRegion(t, nobody())
	dir := filepath.Dir(path)
	again, err := Open(dir, r.Name(), testSize)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	name := func(c string) string { return "orion-" + strings.Repeat(c, 32) }
	os.Symlink(path, filepath.Join(dir, name("a")))
	os.Mkdir(filepath.Join(dir, name("b")), 0o700)
	unix.Mkfifo(filepath.Join(dir, name("c")), 0o600)
	os.WriteFile(filepath.Join(dir, "passwd"), make([]byte, testSize), 0o600)
	for _, c := range []struct {
		name string
		size uint64
	}{
		{r.Name(), testSize * 2}, {name("a"), testSize}, {name("b"), testSize}, {name("c"), testSize},
		{name("d"), testSize}, {"passwd", testSize}, {"../" + filepath.Base(dir) + "/" + r.Name(), testSize}, {"", testSize},
	} {
		if r, err := Open(dir, c.name, c.size); err == nil {
			r.Close()
			t.Errorf("opened %q with %d bytes", c.name, c.size)
		}
	}
	if err := Unlink(dir, "passwd"); err == nil {
		t.Error("removed passwd")
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	r, path := newTestRegion(t, nobody())
	h := Header{Port: 9960, Address: "192.168.122.1"}
	for i := range h.Nonce {
		h.Nonce[i] = byte(i)
	}
	if err := r.Write(h); err != nil {
		t.Fatal(err)
	}
	h.Address = "::1" // leaves nothing of the longer one
	if err := r.Write(h); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, wire.SliceOffset)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if string(b[:8]) != "ORIONIVS" || binary.LittleEndian.Uint32(b[wire.DomPort:]) != 9960 ||
		!bytes.Equal(b[wire.DomNonce:][:32], h.Nonce[:]) || !bytes.HasPrefix(b[wire.DomAddress:], []byte("::1\x00\x00")) {
		t.Errorf("the guest reads % x", b[:0xc0])
	}
	if rest := b[wire.DomAddress+3:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Error("something is left behind the address")
	}
	h.Address = strings.Repeat("1", wire.DomAddressBytes)
	if err := r.Write(h); err == nil {
		t.Error("wrote an address without its end")
	}
}

func TestGivenSlicesAreWiped(t *testing.T) {
	t.Parallel()
	r, _ := newTestRegion(t, nobody())
	if _, err := r.File().WriteAt([]byte{1}, wire.SliceOffset); err != nil {
		t.Fatal(err)
	}
	offset, size, err := r.Take()
	if err != nil {
		t.Fatal(err)
	}
	first := []byte{9}
	if _, err := r.File().ReadAt(first, int64(offset)); err != nil || offset != wire.SliceOffset || first[0] != 0 {
		t.Errorf("a slice at %#x begins with what the guest wrote: %d, %v", offset, first, err)
	}
	for _, at := range []uint64{offset - 1, offset, offset + size - 1, offset + size} {
		if _, err := r.File().WriteAt([]byte{1}, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(at uint64) byte {
		b := []byte{9}
		if _, err := r.File().ReadAt(b, int64(at)); err != nil {
			t.Fatal(err)
		}
		return b[0]
	}
	if err := r.Clear(); err != nil {
		t.Fatal(err)
	}
	if read(offset) != 1 || read(offset+size-1) != 1 {
		t.Error("Clear wiped a slice in use")
	}
	if read(offset+size) != 0 {
		t.Error("Clear left what no slice has")
	}
	if err := r.Give(offset, size); err != nil {
		t.Fatal(err)
	}
	if read(offset-1) != 1 || read(offset) != 0 || read(offset+size-1) != 0 {
		t.Error("Give did not wipe the slice, or wiped more")
	}
	if n := r.InUse(); n != 0 {
		t.Errorf("%d slices in use", n)
	}
}
