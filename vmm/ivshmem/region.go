// SPDX-License-Identifier: Apache-2.0

package ivshmem

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"
)

// Dir is where QEMU's libvirt driver looks for shared memory by name.
const Dir = "/dev/shm"

// Access says who besides oriond may open a region until Seal.
type Access struct {
	UID, GID int    // of the QEMU process; -1: oriond's own
	Label    string // SELinux context of the domain's files; empty: the folder's rule
}

// Region is the file of one domain with its slices. It is not safe for concurrent use; who uses it locks.
type Region struct {
	path string
	file *os.File
	size uint64
	free allocator
}

var validName = regexp.MustCompile(`^orion-[0-9a-f]{32}$`)

// NewName returns an unguessable name for a region: who knows it only by listing the folder comes too late,
// since the file is closed to others by then.
func NewName() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("name region: %w", err)
	}
	return "orion-" + hex.EncodeToString(b[:]), nil
}

// IsName says whether a file of this name may be a region of Orion's.
func IsName(name string) bool { return validName.MatchString(name) }

// Create makes the file dir/name, which must not exist, with size bytes that use no memory until they are
// written. The caller ends it by Remove.
func Create(dir, name string, size uint64, access Access) (*Region, error) {
	if !IsName(name) {
		return nil, fmt.Errorf("create region: %q is no name of a region", name)
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create region: %w", err)
	}
	if err := prepare(f, size, access); err != nil {
		f.Close()
		os.Remove(path)
		return nil, fmt.Errorf("create region %s: %w", path, err)
	}
	return newRegion(path, f, size), nil
}

// prepare gives the file its size, label, mode and, last, its owner: from then on it is another's to change.
func prepare(f *os.File, size uint64, access Access) error {
	if err := f.Truncate(int64(size)); err != nil {
		return err
	}
	if access.Label != "" {
		// QEMU is kept from a file without its domain's label; with another's it must not be started.
		if err := unix.Fsetxattr(int(f.Fd()), "security.selinux", append([]byte(access.Label), 0), 0); err != nil {
			return fmt.Errorf("label with %s: %w", access.Label, err)
		}
	}
	if access.UID < 0 && access.GID < 0 {
		return nil
	}
	if err := f.Chmod(0o660); err != nil {
		return err
	}
	if err := f.Chown(access.UID, access.GID); err != nil {
		return fmt.Errorf("give to the user of QEMU: %w", err)
	}
	return nil
}

// Open opens the region that an earlier oriond made, with all of it free.
func Open(dir, name string, size uint64) (*Region, error) {
	if !IsName(name) {
		return nil, fmt.Errorf("open region: %q is no name of a region", name)
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open region: %w", err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || uint64(info.Size()) != size) {
		err = fmt.Errorf("it has %d bytes and mode %v: want a file of %d bytes", info.Size(), info.Mode(), size)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open region %s: %w", path, err)
	}
	return newRegion(path, f, size), nil
}

func newRegion(path string, f *os.File, size uint64) *Region {
	return &Region{path: path, file: f, size: size, free: allocator{end: size}}
}

// Name returns the file's name in its folder.
func (r *Region) Name() string { return filepath.Base(r.path) }

// File returns the open file. It is closed by Close.
func (r *Region) File() *os.File { return r.file }

// Size returns the region's bytes.
func (r *Region) Size() uint64 { return r.size }

// InUse returns the number of slices that are taken.
func (r *Region) InUse() int { return len(r.free.taken) }

// Seal closes the file to everybody but oriond, once QEMU has opened it: what QEMU has open it keeps, but no
// other process of its user can find the file and open it.
func (r *Region) Seal() error {
	if err := r.file.Chown(os.Geteuid(), os.Getegid()); err != nil {
		return fmt.Errorf("take region back from QEMU's user: %w", err)
	}
	if err := r.file.Chmod(0o600); err != nil {
		return fmt.Errorf("close region to others: %w", err)
	}
	return nil
}

// Write writes the header for the guest.
func (r *Region) Write(h Header) error {
	b, err := h.encode()
	if err != nil {
		return err
	}
	if _, err := r.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("write device header: %w", err)
	}
	return nil
}

// Take takes a slice for a client. It begins as zeros, whatever the guest has written there since it was given
// back. ErrFull: none is free.
func (r *Region) Take() (offset, size uint64, err error) {
	s, err := r.free.take()
	if err != nil {
		return 0, 0, err
	}
	if err := r.punch(s); err != nil {
		r.free.free(s)
		return 0, 0, err
	}
	return s.offset, s.size, nil
}

// Claim takes the slice of a client that an earlier oriond served.
func (r *Region) Claim(offset, size uint64) error {
	return r.free.claim(span{offset, size})
}

// Give gives a slice back. It reads as zeros from then on, and uses no memory.
func (r *Region) Give(offset, size uint64) error {
	if err := r.punch(span{offset, size}); err != nil {
		return err // stays taken: nobody must read what is in it
	}
	r.free.free(span{offset, size})
	return nil
}

// Clear wipes all that no slice has.
func (r *Region) Clear() error {
	for _, h := range r.free.holes() {
		if err := r.punch(h); err != nil {
			return err
		}
	}
	return nil
}

func (r *Region) punch(s span) error {
	err := unix.Fallocate(int(r.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(s.offset), int64(s.size))
	if err != nil {
		return fmt.Errorf("wipe %d bytes at %#x of the region: %w", s.size, s.offset, err)
	}
	return nil
}

// Unlink removes the file's name. The memory is there until the last user closes it.
func (r *Region) Unlink() error {
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove region: %w", err)
	}
	return nil
}

// Close closes the file, which stays where it is.
func (r *Region) Close() error { return r.file.Close() }

// Unlink removes a region that is not open.
func Unlink(dir, name string) error {
	if !IsName(name) {
		return fmt.Errorf("remove region: %q is no name of a region", name)
	}
	return (&Region{path: filepath.Join(dir, name)}).Unlink()
}

// Room returns the bytes that all files of a folder together can have.
func Room(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("read size of %s: %w", dir, err)
	}
	return s.Blocks * uint64(s.Bsize), nil
}
