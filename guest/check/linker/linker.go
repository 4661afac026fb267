// SPDX-License-Identifier: Apache-2.0

package linker

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
)

// CachePath is the cache that ldconfig writes.
const CachePath = "/etc/ld.so.cache"

// folders that are searched when all else fails; which of them depends on the distribution.
var folders = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// Linker finds libraries.
type Linker struct {
	root        string
	libraryPath string
	cache       map[string][]string
}

// Found is a library that was found.
type Found struct {
	Path string
	By   string // what led there: "LD_LIBRARY_PATH", "RPATH of /usr/bin/x", "ldconfig" or "usual folder"
}

// Open prepares to search in the file system at root, empty for the machine's own. libraryPath is the value of
// LD_LIBRARY_PATH. A cache that cannot be read is an error beside a Linker that goes without.
func Open(root, libraryPath string) (*Linker, error) {
	l := &Linker{root: root, libraryPath: libraryPath}
	b, err := os.ReadFile(root + CachePath)
	if err != nil {
		return l, err
	}
	l.cache, err = parseCache(b)
	return l, err
}

// Find searches for a library as a program without folders of its own does.
func (l *Linker) Find(name string) (Found, bool) { return l.find(name, nil, nil) }

// All returns all that the cache and LD_LIBRARY_PATH hold of that name, what a program gets first.
func (l *Linker) All(name string) []string {
	var all []string
	add := func(path string) {
		if !l.usable(path) {
			return
		}
		real, err := filepath.EvalSymlinks(l.root + path)
		if err != nil {
			return
		}
		for _, have := range all {
			if other, _ := filepath.EvalSymlinks(l.root + have); other == real {
				return
			}
		}
		all = append(all, path)
	}
	for _, dir := range l.libraryPathFolders() {
		add(filepath.Join(dir, name))
	}
	for _, path := range l.cache[name] {
		add(path)
	}
	for _, dir := range folders {
		add(filepath.Join(dir, name))
	}
	return all
}

// find searches for a library that object needs or opens; loaders are the objects whose RPATH counts too.
func (l *Linker) find(name string, o *object, loaders []*object) (Found, bool) {
	if strings.Contains(name, "/") {
		return Found{name, "its path"}, l.usable(name)
	}
	if o != nil && len(o.runpath) == 0 {
		for _, from := range append([]*object{o}, loaders...) {
			if from.runpath != nil {
				continue
			}
			if path, ok := l.in(from.rpath, name); ok {
				return Found{path, "RPATH of " + from.path}, true
			}
		}
	}
	if path, ok := l.in(l.libraryPathFolders(), name); ok {
		return Found{path, "LD_LIBRARY_PATH"}, true
	}
	if o != nil {
		if path, ok := l.in(o.runpath, name); ok {
			return Found{path, "RUNPATH of " + o.path}, true
		}
	}
	for _, path := range l.cache[name] {
		if l.usable(path) {
			return Found{path, "ldconfig"}, true
		}
	}
	if path, ok := l.in(folders, name); ok {
		return Found{path, "usual folder"}, true
	}
	return Found{}, false
}

func (l *Linker) libraryPathFolders() []string {
	return strings.FieldsFunc(l.libraryPath, func(r rune) bool { return r == ':' || r == ';' })
}

func (l *Linker) in(dirs []string, name string) (string, bool) {
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); l.usable(path) {
			return path, true
		}
	}
	return "", false
}

// usable says whether the file is a library for this kind of processor: the linker passes over others.
func (l *Linker) usable(path string) bool {
	f, err := elf.Open(l.root + path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Class == elf.ELFCLASS64 && f.Machine == machine && f.Type == elf.ET_DYN
}
