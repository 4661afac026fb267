// SPDX-License-Identifier: Apache-2.0

package linker

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

var machine = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]

// maxObjects bounds the libraries of a program that are looked at.
const maxObjects = 1000

// object is a program or a library.
type object struct {
	path           string
	needed         []string
	rpath, runpath []string // not nil where there is one
}

// Use is an object of a program that gets the library that was asked for.
type Use struct {
	Object string
	Needs  bool // it is linked with it; else it is one that opens it at run time
	Found       // Path is empty where nothing would be found
}

// Program reads a program, or a library, and all that it is linked with, and tells what each object would get by a
// name that is linked with it, or that opens it at run time: the program itself and libraries whose names begin with
// one of openers. Libraries that programs open at run time are not seen.
func (l *Linker) Program(path, name string, openers ...string) ([]Use, error) {
	program, err := l.read(path)
	if err != nil {
		return nil, err
	}
	type loaded struct {
		*object
		loaders []*object
	}
	queue := []loaded{{program, nil}}
	seen := map[string]bool{filepath.Base(path): true}
	var uses []Use
	for len(queue) > 0 && len(seen) < maxObjects {
		o := queue[0]
		queue = queue[1:]
		use := Use{Object: o.path}
		opens := o.object == program
		for _, prefix := range openers {
			opens = opens || strings.HasPrefix(filepath.Base(o.path), prefix)
		}
		for _, needed := range o.needed {
			use.Needs = use.Needs || needed == name
			if seen[needed] {
				continue
			}
			seen[needed] = true
			found, ok := l.find(needed, o.object, o.loaders)
			if !ok || needed == name {
				continue
			}
			if next, err := l.read(found.Path); err == nil {
				queue = append(queue, loaded{next, append([]*object{o.object}, o.loaders...)})
			}
		}
		if use.Needs || opens {
			use.Found, _ = l.find(name, o.object, o.loaders)
			uses = append(uses, use)
		}
	}
	return uses, nil
}

func (l *Linker) read(path string) (*object, error) {
	f, err := elf.Open(l.root + path)
	if err != nil {
		return nil, fmt.Errorf("read program: %w", err)
	}
	defer f.Close()
	o := &object{path: path}
	if f.Section(".dynamic") == nil {
		return o, nil // static
	}
	if o.needed, err = f.ImportedLibraries(); err != nil {
		return nil, fmt.Errorf("read program %s: %w", path, err)
	}
	origin := filepath.Dir(path)
	if real, err := filepath.EvalSymlinks(l.root + path); err == nil {
		origin = strings.TrimPrefix(filepath.Dir(real), l.root)
	}
	o.rpath = list(f, elf.DT_RPATH, origin)
	o.runpath = list(f, elf.DT_RUNPATH, origin)
	return o, nil
}

// list reads a list of folders; $ORIGIN is where the object lies.
func list(f *elf.File, tag elf.DynTag, origin string) []string {
	values, _ := f.DynString(tag)
	if len(values) == 0 {
		return nil
	}
	dirs := []string{}
	expand := strings.NewReplacer("$ORIGIN", origin, "${ORIGIN}", origin, "$LIB", "lib64", "${LIB}", "lib64",
		"$PLATFORM", "x86_64", "${PLATFORM}", "x86_64")
	for _, dir := range strings.Split(values[0], ":") {
		if dir = expand.Replace(dir); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
