// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/orion-vgpu/orion/proto/cuda"
)

// backendFile writes the calls of the real driver. Each fills the thread's frame of 64-bit argument words,
// which lies in C memory, and calls through a pointer of the driver's: on x86-64 and arm64 every integer and
// pointer parameter of the driver API travels as one such word, and floats in registers of their own.
func backendFile(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("package cuda\n\nimport (\n\t\"runtime\"\n\n\t\"github.com/orion-vgpu/orion/host/driver\"\n)\n")
	fns := hostFuncs(all)
	s.p("// symbols are the driver's exported functions, in the order of the sym constants.\nvar symbols = [...]string{")
	for _, f := range fns {
		s.p("\t%q,", f.Symbol)
	}
	s.p("}\n\nconst (")
	for i, f := range fns {
		if i == 0 {
			s.p("\tsym%s = iota", strings.TrimPrefix(f.Symbol, "cu"))
		} else {
			s.p("\tsym%s", strings.TrimPrefix(f.Symbol, "cu"))
		}
	}
	s.p(")\n")
	for _, f := range fns {
		backendCall(s, f)
	}
}

func backendCall(s *source, f *cuda.Func) {
	s.p("// %s calls %s.\nfunc (t *Thread) %s%s {", method(f), f.Symbol, method(f), goSignature(f, "driver.", true))
	if len(f.Params) > 0 {
		s.p("\tf := t.frame")
	}
	var outs, keep, floats []string
	i := -1
	for _, p := range f.Params {
		name := ident(p.Name)
		if p.Type == "f32" && p.Dir == "" {
			floats = append(floats, name)
			continue
		}
		i++
		switch {
		case p.Type == "cstr":
			s.p("\tf.args[%d] = f.cstr(%s)", i, name)
		case isBlob(p):
			s.p("\tf.args[%d] = blob(%s)", i, name)
			keep = append(keep, name)
		case isArray(p):
			s.p("\tf.args[%d] = address(%s)", i, name)
			keep = append(keep, name)
		case isOut(p) || p.Dir == "new":
			start := "0"
			if p.Dir == "inout" {
				start = "uint64(" + name + "In)"
			}
			s.p("\tf.args[%d] = f.out(%d, %s)", i, len(outs), start)
			outs = append(outs, backendOut(p, name, len(outs)))
		case p.Type == "i32" || p.Type == "device":
			s.p("\tf.args[%d] = uint64(uint32(%s))", i, name)
		default:
			s.p("\tf.args[%d] = uint64(%s)", i, name)
		}
	}
	result := "r :="
	if len(outs) > 0 {
		result = "r ="
	}
	call := fmt.Sprintf("t.call(sym%s, %d)", strings.TrimPrefix(f.Symbol, "cu"), len(f.Params))
	if len(floats) > 0 {
		call = fmt.Sprintf("t.callFloats(sym%s, %s)", strings.TrimPrefix(f.Symbol, "cu"), strings.Join(floats, ", "))
	}
	s.p("\t%s %s", result, call)
	for _, k := range keep {
		s.p("\truntime.KeepAlive(%s)", k)
	}
	for _, o := range outs {
		s.p("\t%s", o)
	}
	if len(outs) > 0 {
		s.p("\treturn\n}\n")
	} else {
		s.p("\treturn r\n}\n")
	}
}

func backendOut(p cuda.Param, name string, i int) string {
	t := "driver." + goKinds[p.Type]
	if !cuda.IsKind(p.Type) {
		t = goScalar(p.Type, "driver.")
	}
	if p.Type == "f32" {
		return name + " = wordFloat(f.outs[" + string(rune('0'+i)) + "])"
	}
	return name + " = " + t + "(f.outs[" + string(rune('0'+i)) + "])"
}
