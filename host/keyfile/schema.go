// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schema is the set of keys that a program knows. Declare keys first, then Load; it is not safe for
// concurrent use.
type Schema struct {
	keys []*Key
}

// Key is one declared key.
type Key struct {
	Section, Name string
	Default       string // as it would be written in a file
	Env           string // the environment variable that overrules the files, if there is one
	source        string // where the value came from; empty: the default
	set           func(value string) error
}

// FromEnv names the environment variable that overrules every file. It returns the key.
func (k *Key) FromEnv(name string) *Key {
	k.Env = name
	return k
}

// Source says where the value came from ("/etc/orion/server.conf:12", "environment variable X"), or
// nothing where it is the default.
func (k *Key) Source() string { return k.source }

// Keys returns the declared keys in their order.
func (s *Schema) Keys() []*Key { return slices.Clone(s.keys) }

// String declares a key of free text.
func (s *Schema) String(p *string, section, name, value string) *Key {
	return s.Func(section, name, value, func(v string) error {
		*p = v
		return nil
	})
}

// Bool declares a key that is true or false.
func (s *Schema) Bool(p *bool, section, name string, value bool) *Key {
	return s.Func(section, name, strconv.FormatBool(value), func(v string) error {
		switch strings.ToLower(v) {
		case "true", "yes", "on", "1":
			*p = true
		case "false", "no", "off", "0":
			*p = false
		default:
			return fmt.Errorf("want true or false")
		}
		return nil
	})
}

// Int declares a key of a whole number from low to high.
func (s *Schema) Int(p *int, section, name string, value, low, high int) *Key {
	return s.Func(section, name, strconv.Itoa(value), func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			return fmt.Errorf("want a whole number from %d to %d", low, high)
		}
		*p = n
		return nil
	})
}

// Seconds declares a key of a duration in whole seconds, value, low and high included.
func (s *Schema) Seconds(p *time.Duration, section, name string, value, low, high int) *Key {
	return s.Func(section, name, strconv.Itoa(value), func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < low || n > high {
			return fmt.Errorf("want a whole number of seconds from %d to %d", low, high)
		}
		*p = time.Duration(n) * time.Second
		return nil
	})
}

// Choice declares a key that takes one of a few words, in any case; the variable gets it as listed.
func (s *Schema) Choice(p *string, section, name, value string, words ...string) *Key {
	return s.Func(section, name, value, func(v string) error {
		for _, w := range words {
			if strings.EqualFold(v, w) {
				*p = w
				return nil
			}
		}
		return fmt.Errorf("want one of %s", strings.Join(words, ", "))
	})
}

// HostPort declares a key of a network address, host:port.
func (s *Schema) HostPort(p *string, section, name, value string) *Key {
	return s.Func(section, name, value, func(v string) error {
		if err := CheckHostPort(v); err != nil {
			return err
		}
		*p = v
		return nil
	})
}

// MaxSocketPath is what fits into a Unix socket's address beside its final zero.
const MaxSocketPath = 107

// SocketPath declares a key of the path of a Unix socket.
func (s *Schema) SocketPath(p *string, section, name, value string) *Key {
	return s.Func(section, name, value, func(v string) error {
		if !filepath.IsAbs(v) || len(v) > MaxSocketPath {
			return fmt.Errorf("want an absolute path of at most %d bytes", MaxSocketPath)
		}
		*p = v
		return nil
	})
}

// Func declares a key whose values the function checks and stores. Its error says what is wanted. A
// default that it refuses is a mistake of the program, and panics.
func (s *Schema) Func(section, name, value string, set func(string) error) *Key {
	if err := set(value); err != nil {
		panic(fmt.Sprintf("keyfile: default of [%s] %s: %v", section, name, err))
	}
	k := &Key{Section: section, Name: name, Default: value, set: set}
	s.keys = append(s.keys, k)
	return k
}

// CheckHostPort returns an error that says what is wanted unless v is host:port with a port from 0 to 65535.
func CheckHostPort(v string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("want an address and a port, such as 127.0.0.1:9123 or [::1]:9123")
	}
	return nil
}

func (s *Schema) find(section, name string) *Key {
	for _, k := range s.keys {
		if k.Section == section && k.Name == name {
			return k
		}
	}
	return nil
}
