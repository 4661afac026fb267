// SPDX-License-Identifier: Apache-2.0

package ctest

import (
	"bytes"
	"debug/elf"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// NewestGlibc is the newest minor version of glibc 2 that the libraries may need.
const NewestGlibc = 17

// Library is a shared library of the guest.
type Library struct {
	Path    string
	Exports []string          // ordered
	Address map[string]uint64 // of each export
	Loaded  uint64            // bytes of the file that are mapped: its size when stripped, nearly
}

// Open reads a library and checks what holds for each: its name, old symbol versions, no needs beside glibc,
// all symbols bound at start, and no path of the machine that built it.
func Open(t *testing.T, path, soname string) *Library {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := f.DynString(elf.DT_SONAME); err != nil || !slices.Equal(got, []string{soname}) {
		t.Errorf("%s is named %v, %v", path, got, err)
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range needed {
		if !slices.Contains([]string{"libc.so.6", "libpthread.so.0", "libdl.so.2"}, name) && !strings.HasPrefix(name, "ld-linux") {
			t.Errorf("%s needs %s", soname, name)
		}
	}
	imported, err := f.ImportedSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range imported {
		version, ok := strings.CutPrefix(s.Version, "GLIBC_2.")
		version, _, _ = strings.Cut(version, ".")
		if minor, err := strconv.Atoi(version); ok && (err != nil || minor > NewestGlibc) {
			t.Errorf("%s needs %s of %s; bind to an older version in guest/glibc.h, or do without", soname, s.Name, s.Version)
		}
	}
	if flags, err := f.DynValue(elf.DT_FLAGS); err != nil || len(flags) != 1 || elf.DynFlag(flags[0])&elf.DF_BIND_NOW == 0 || elf.DynFlag(flags[0])&elf.DF_TEXTREL != 0 {
		t.Errorf("%s has the flags %v, %v: want BIND_NOW without TEXTREL", soname, flags, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte(Root(t))) {
		t.Errorf("%s names the folder that it was built in", soname)
	}
	return read(t, f, path)
}

func read(t *testing.T, f *elf.File, path string) *Library {
	t.Helper()
	l := &Library{Path: path, Address: map[string]uint64{}}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			l.Loaded += p.Filesz
		}
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			l.Exports = append(l.Exports, s.Name)
			l.Address[s.Name] = s.Value
		}
	}
	slices.Sort(l.Exports)
	return l
}

// CheckExports compares the exports with a list.
func (l *Library) CheckExports(t *testing.T, want []string) {
	t.Helper()
	for _, name := range want {
		if _, ok := l.Address[name]; !ok {
			t.Errorf("%s is not exported", name)
		}
	}
	for _, name := range l.Exports {
		if !slices.Contains(want, name) {
			t.Errorf("%s is exported, and should not be", name)
		}
	}
}
