// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"debug/elf"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// libraryDirs are where this machine's dynamic linker looks, for x86-64.
var libraryDirs = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// Program takes a program or a library of this machine, and the shared libraries that it needs. These are looked for
// in dirs, and where the dynamic linker of this machine looks; those of dirs keep the path that they have here, the
// others come into /lib/x86_64-linux-gnu. One that is nowhere is left to the guest to have.
func (im *Image) Program(name, from string, dirs ...string) error {
	if err := im.Copy(name, from); err != nil {
		return err
	}
	return im.libraries(from, dirs)
}

// Library takes a library of this machine by its name, with those that it needs.
func (im *Image) Library(name string) error {
	from, to := findLibrary(name, nil)
	if from == "" {
		return fmt.Errorf("find library %s: it is not in %v", name, libraryDirs)
	}
	return im.Program(to, from)
}

func (im *Image) libraries(from string, dirs []string) error {
	f, err := elf.Open(from)
	if err != nil {
		return fmt.Errorf("read program %s: %w", from, err)
	}
	defer f.Close()
	if p := interpreter(f); p != "" {
		real, err := filepath.EvalSymlinks(p)
		if err != nil {
			return fmt.Errorf("find the dynamic linker of %s: %w", from, err)
		}
		if err := im.Copy(p, real); err != nil {
			return err
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read program %s: %w", from, err)
	}
	for _, library := range needed {
		found, to := findLibrary(library, dirs)
		if _, have := im.entries[to[min(1, len(to)):]]; found == "" || have {
			continue
		}
		if err := im.Program(to, found, dirs...); err != nil {
			return err
		}
	}
	return nil
}

// findLibrary returns a library's path on this machine, and the one that it is to have in the image.
func findLibrary(name string, dirs []string) (from, to string) {
	for _, dir := range dirs {
		if p := filepath.Join(dir, name); exists(p) {
			return p, p
		}
	}
	for _, dir := range libraryDirs {
		if p := filepath.Join(dir, name); exists(p) {
			return p, path.Join("/lib/x86_64-linux-gnu", name)
		}
	}
	return "", ""
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// interpreter returns the dynamic linker that a program asks for.
func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		b := make([]byte, min(p.Filesz, 4096))
		if _, err := p.ReadAt(b, 0); err != nil || len(b) == 0 {
			return ""
		}
		return string(b[:len(b)-1])
	}
	return ""
}
