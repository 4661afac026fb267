// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"log"

	"github.com/orion-vgpu/orion/proto/cuda"
)

// touchFile writes what commands read and write of the region.
func touchFile(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("package touch\n\nimport \"github.com/orion-vgpu/orion/proto/cuda\"\n")
	s.p("// declared notes what the specification says of a command's arguments.\nfunc (c *Command) declared(op uint16, args []byte) {\n\tswitch op {")
	for _, f := range all {
		var notes []string
		for _, p := range f.Params {
			if p.Touch != "" && f.Op != 0 {
				method := map[string]string{"in": "read", "out": "write", "flag": "flag"}[p.Touch]
				notes = append(notes, fmt.Sprintf("c.%s(args, %d, %d)", method, wordOf(f, p.Name), wordOf(f, p.Len)))
			}
		}
		if len(notes) == 0 {
			continue
		}
		for _, p := range f.Params {
			if p.Type == "stream" {
				notes = append(notes, fmt.Sprintf("c.stream(args, %d)", wordOf(f, p.Name)))
			}
		}
		s.p("\tcase cuda.%s:", opName(f))
		for _, n := range notes {
			s.p("\t\t%s", n)
		}
	}
	s.p("\t}\n}")
}

// wordOf is the place of a parameter among a command's arguments, of which none before it may be of variable size.
func wordOf(f *cuda.Func, name string) int {
	word := 0
	for _, p := range f.Params {
		if p.Name == name {
			return word
		}
		if isBlob(p) || isArray(p) || p.Type == "cstr" {
			log.Fatalf("%s: a hostptr with a length, and what it needs, must come before %s", f.Symbol, p.Name)
		}
		if !isOut(p) {
			word++
		}
	}
	log.Fatalf("%s: no parameter %s", f.Symbol, name)
	return 0
}
