// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"slices"
	"strings"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// mods are the modifiers of an instruction. What an instruction does not take stays and is refused, so that
// no modifier is ever overlooked.
type mods struct {
	c    *compiler
	left []string
}

// has takes a modifier if it is there.
func (m *mods) has(name string) bool {
	i := slices.Index(m.left, name)
	if i < 0 {
		return false
	}
	m.left = slices.Delete(m.left, i, i+1)
	return true
}

// one takes the first of the named modifiers that is there, or returns "".
func (m *mods) one(names ...string) string {
	for _, n := range names {
		if m.has(n) {
			return n
		}
	}
	return ""
}

// ignore takes modifiers that change nothing here.
func (m *mods) ignore(names ...string) {
	for _, n := range names {
		m.has(n)
	}
}

// prefix takes modifiers that begin so.
func (m *mods) prefix(p string) {
	m.left = slices.DeleteFunc(m.left, func(s string) bool { return strings.HasPrefix(s, p) })
}

// typ takes the first type, or NoType.
func (m *mods) typ() ptx.Type {
	for i, s := range m.left {
		if t, ok := ptx.ParseType(s); ok {
			m.left = slices.Delete(m.left, i, i+1)
			return t
		}
	}
	return ptx.NoType
}

// space takes the state space, Generic if none is named.
func (m *mods) space() ptx.Space {
	for i, s := range m.left {
		if v, ok := ptx.ParseSpace(s); ok {
			m.left = slices.Delete(m.left, i, i+1)
			return v
		}
	}
	return ptx.Generic
}

// end refuses the instruction if modifiers are left.
func (m *mods) end() {
	if len(m.left) > 0 {
		m.c.unsupported()
	}
}
