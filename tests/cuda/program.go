// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Program is one source of programs/ with what its head says of it, in lines of
// the form "// key: value" among the first 20:
//
//	flags, link, arch, fatbin   how it is built: see the script build
//	args                        its arguments; {out} stands for the output folder
//	gpus                        how many GPUs it needs, 1 if absent
//	env                         assignments for its environment
//	exit                        the exit status it must end with, 0 if absent
//
// A file NAME.out beside the source holds the standard output it must give.
type Program struct {
	Name   string
	Source string // path of the source
	Driver bool   // of the driver API alone: there is no libcudart to link
	Args   []string
	Env    []string
	GPUs   int
	Exit   int
	Stdout string // path of the expected output, empty if any will do
}

// headLines is how far into a source its directives are looked for, by the
// script build too.
const headLines = 20

// Programs reads the sources in a folder, in order of name.
func Programs(dir string) ([]Program, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list programs: %w", err)
	}
	var programs []Program
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".cu" && ext != ".cpp" {
			continue
		}
		p, err := ReadProgram(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

// ReadProgram reads what the head of one source says. A key that is not known is
// an error, so that none is mistyped in silence.
func ReadProgram(source string) (Program, error) {
	ext := filepath.Ext(source)
	p := Program{
		Name:   strings.TrimSuffix(filepath.Base(source), ext),
		Source: source,
		Driver: ext == ".cpp",
		GPUs:   1,
	}
	f, err := os.Open(source)
	if err != nil {
		return p, fmt.Errorf("read program: %w", err)
	}
	defer f.Close()

	lines := bufio.NewScanner(f)
	for n := 1; n <= headLines && lines.Scan(); n++ {
		key, value, ok := directive(lines.Text())
		if !ok {
			continue
		}
		if err := p.set(key, value); err != nil {
			return p, fmt.Errorf("%s:%d: %w", source, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return p, fmt.Errorf("read program %s: %w", source, err)
	}
	out := strings.TrimSuffix(source, ext) + ".out"
	if _, err := os.Stat(out); err == nil {
		p.Stdout = out
	} else if !errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("look for the expected output of %s: %w", p.Name, err)
	}
	return p, nil
}

// directive splits a line "// key: value". A key is one word in lower case, so
// that prose with a colon in it is rarely taken for one.
func directive(line string) (key, value string, ok bool) {
	rest, ok := strings.CutPrefix(line, "// ")
	if !ok {
		return "", "", false
	}
	key, value, ok = strings.Cut(rest, ": ")
	if !ok || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", "", false
	}
	return key, strings.TrimSpace(value), true
}

func (p *Program) set(key, value string) (err error) {
	switch key {
	case "flags", "link", "arch", "fatbin": // the script build reads these
	case "args":
		p.Args = strings.Fields(value)
	case "env":
		p.Env = strings.Fields(value)
	case "gpus":
		p.GPUs, err = strconv.Atoi(value)
	case "exit":
		p.Exit, err = strconv.Atoi(value)
	default:
		return fmt.Errorf("unknown key %q in the head of a program", key)
	}
	if err != nil {
		return fmt.Errorf("key %s: %w", key, err)
	}
	return nil
}

// Linkages are the folders of a build that hold this program.
func (p Program) Linkages() []string {
	if p.Driver {
		return []string{"driver"}
	}
	return []string{"static", "shared"}
}

// Command gives the command line that runs the program as built under out.
func (p Program) Command(out, linkage string) []string {
	command := []string{filepath.Join(out, linkage, p.Name)}
	for _, a := range p.Args {
		command = append(command, strings.ReplaceAll(a, "{out}", out))
	}
	return slices.Clip(command)
}
