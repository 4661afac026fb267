// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Image is a file system to be. The zero value is empty. An entry put twice is the later one.
type Image struct{ entries map[string]entry }

type entry struct {
	mode uint32 // type and permissions, as in Linux
	data []byte // content, or a link's target
	from string // file of this machine with the content
}

const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

func (im *Image) put(name string, e entry) {
	if im.entries == nil {
		im.entries = map[string]entry{}
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if _, ok := im.entries[dir]; !ok {
			im.entries[dir] = entry{mode: typeDir | 0o755}
		}
	}
	im.entries[name] = e
}

// Dir makes a folder, and all above it.
func (im *Image) Dir(name string, mode fs.FileMode) {
	im.put(name, entry{mode: typeDir | linuxMode(mode)})
}

// File makes a file of data.
func (im *Image) File(name string, mode fs.FileMode, data []byte) {
	im.put(name, entry{mode: typeFile | linuxMode(mode), data: data})
}

// Link makes a symbolic link.
func (im *Image) Link(name, target string) {
	im.put(name, entry{mode: typeLink | 0o777, data: []byte(target)})
}

// Copy takes a file of this machine, which is read when the image is written.
func (im *Image) Copy(name, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("copy into the image: %w", err)
	}
	im.put(name, entry{mode: typeFile | linuxMode(info.Mode()), from: from})
	return nil
}

// Tree takes a folder of this machine with all in it.
func (im *Image) Tree(name, from string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("copy into the image: %w", err)
		}
		rel, _ := filepath.Rel(from, p)
		to := path.Join(name, filepath.ToSlash(rel))
		switch d.Type() {
		case fs.ModeDir:
			im.Dir(to, 0o755)
		case fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return fmt.Errorf("copy into the image: %w", err)
			}
			im.Link(to, target)
		case 0:
			return im.Copy(to, p)
		}
		return nil
	})
}

// linuxMode is the part of a mode below the type.
func linuxMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		mode |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}

// Write writes the archive, in the form newc of cpio. All belongs to root.
func (im *Image) Write(w io.Writer) error {
	b := bufio.NewWriterSize(w, 1<<20)
	inode := 0
	for _, name := range slices.Sorted(maps.Keys(im.entries)) { // folders come before what is in them
		e := im.entries[name]
		if e.from != "" {
			var err error
			if e.data, err = os.ReadFile(e.from); err != nil {
				return fmt.Errorf("write the image: %w", err)
			}
		}
		inode++
		writeEntry(b, inode, name, e)
	}
	writeEntry(b, 0, "TRAILER!!!", entry{})
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	return nil
}

func writeEntry(w *bufio.Writer, inode int, name string, e entry) {
	links := 1
	if e.mode&typeDir != 0 {
		links = 2
	}
	// Magic, inode, mode, uid, gid, links, time, size, major, minor, special major and minor, length of name, check.
	fmt.Fprintf(w, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		inode, e.mode, 0, 0, links, 0, len(e.data), 0, 0, 0, 0, len(name)+1, 0)
	const header = 110
	w.WriteString(name + "\x00")
	pad(w, header+len(name)+1)
	w.Write(e.data)
	pad(w, len(e.data))
}

// pad fills up to a multiple of four.
func pad(w *bufio.Writer, n int) { w.Write(bytes.Repeat([]byte{0}, -n&3)) }
