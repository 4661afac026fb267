// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"gopkg.in/ini.v1"
)

// MaxFileBytes bounds what is read of a configuration file.
const MaxFileBytes = 1 << 20

// File is one place to look for a configuration.
type File struct {
	Path     string
	Optional bool // it may be absent, but not unreadable or wrong
}

// Load fills the variables from the files, a later one over an earlier, and then from the environment,
// which lookup (os.LookupEnv) reads. An environment variable that is set but empty counts as absent.
func (s *Schema) Load(files []File, lookup func(string) (string, bool)) error {
	for _, f := range files {
		text, err := read(f.Path)
		if errors.Is(err, fs.ErrNotExist) && f.Optional {
			continue
		}
		if err != nil {
			return err
		}
		if err := s.Parse(f.Path, text); err != nil {
			return err
		}
	}
	for _, k := range s.keys {
		v, ok := lookup(k.Env)
		if k.Env == "" || !ok || v == "" {
			continue
		}
		if err := k.set(v); err != nil {
			return fmt.Errorf("environment variable %s is %q: %w", k.Env, v, err)
		}
		k.source = "environment variable " + k.Env
	}
	return nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > MaxFileBytes {
		return nil, fmt.Errorf("read configuration %s: it is larger than %d bytes", path, MaxFileBytes)
	}
	return text, nil
}

// Parse sets the variables that the text names. The path is for messages.
func (s *Schema) Parse(path string, text []byte) error {
	// What ini.v1 makes of quotes that span lines, continuations and the like has no place in these
	// files, and would make line numbers guesses: the plain subset is checked first.
	lines, err := scan(path, text)
	if err != nil {
		return err
	}
	file, err := ini.LoadSources(ini.LoadOptions{
		IgnoreContinuation:          true,
		SpaceBeforeInlineComment:    true,
		SkipUnrecognizableLines:     false,
		UnescapeValueDoubleQuotes:   false,
		UnescapeValueCommentSymbols: false,
	}, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, at := range lines {
		if err := s.assign(path, at, file); err != nil {
			return err
		}
	}
	return nil
}

func (s *Schema) assign(path string, at line, file *ini.File) error {
	if at.key == "" {
		if names := s.sections(); !contains(names, at.section) {
			return fmt.Errorf("%s:%d: there is no section [%s]%s", path, at.number, at.section, suggest(at.section, names, "[%s]"))
		}
		return nil
	}
	k := s.find(at.section, at.key)
	if k == nil {
		return s.unknown(path, at)
	}
	section, err := file.GetSection(at.section)
	if err != nil || !section.HasKey(at.key) {
		return fmt.Errorf("%s:%d: [%s] %s: write it as %s = value on a line of its own", path, at.number, at.section, at.key, at.key)
	}
	value := strings.TrimSpace(section.Key(at.key).Value())
	if err := k.set(value); err != nil {
		return fmt.Errorf("%s:%d: [%s] %s = %q: %w", path, at.number, at.section, at.key, value, err)
	}
	k.source = fmt.Sprintf("%s:%d", path, at.number)
	return nil
}

func (s *Schema) unknown(path string, at line) error {
	var here, elsewhere []string
	for _, k := range s.keys {
		if k.Section == at.section {
			here = append(here, k.Name)
		} else if k.Name == at.key {
			elsewhere = append(elsewhere, k.Section)
		}
	}
	hint := suggest(at.key, here, "%s")
	if len(elsewhere) > 0 {
		hint = fmt.Sprintf("; it belongs into [%s]", elsewhere[0])
	}
	return fmt.Errorf("%s:%d: [%s] has no key %s%s", path, at.number, at.section, at.key, hint)
}

func (s *Schema) sections() []string {
	var names []string
	for _, k := range s.keys {
		if !contains(names, k.Section) {
			names = append(names, k.Section)
		}
	}
	return names
}
