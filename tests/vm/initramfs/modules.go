// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// unpackers are the programs for modules that are packed, by their ending.
var unpackers = map[string][]string{".xz": {"xz", "-dc"}, ".zst": {"zstd", "-dqc"}, ".gz": {"gzip", "-dc"}}

// Modules are the modules of a kernel, unpacked from its package: the list of their needs, which an installation
// makes, is not there.
type Modules struct{ files map[string]string }

// FindModules looks through a folder.
func FindModules(dir string) (*Modules, error) {
	m := &Modules{files: map[string]string{}}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if name, _, ok := strings.Cut(filepath.Base(p), ".ko"); ok && err == nil && !d.IsDir() {
			m.files[canonical(name)] = p
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find the kernel's modules: %w", err)
	}
	return m, nil
}

// canonical is how the kernel itself writes a module's name.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// Put puts modules into an image as /modules/NAME.ko, with those that they need, and returns their names in the
// order in which they are to be loaded. One that is not there is taken to be built in.
func (m *Modules) Put(im *Image, names ...string) ([]string, error) {
	var order []string
	seen := map[string]bool{}
	var visit func(name string) error
	visit = func(name string) error {
		name = canonical(name)
		file := m.files[name]
		if seen[name] || file == "" {
			return nil
		}
		seen[name] = true
		data, err := readModule(file)
		if err != nil {
			return err
		}
		needs, err := depends(data)
		if err != nil {
			return fmt.Errorf("read module %s: %w", file, err)
		}
		for _, n := range needs {
			if err := visit(n); err != nil {
				return err
			}
		}
		im.File("/modules/"+name+".ko", 0o644, data)
		order = append(order, name)
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

func readModule(file string) ([]byte, error) {
	if unpack := unpackers[filepath.Ext(file)]; unpack != nil {
		data, err := exec.Command(unpack[0], append(unpack[1:], file)...).Output()
		if err != nil {
			return nil, fmt.Errorf("unpack module %s: %w", file, err)
		}
		return data, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	return data, nil
}

// depends reads which modules a module says it needs.
func depends(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("there is no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for line := range bytes.SplitSeq(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(line), "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
