// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/orion-vgpu/orion/proto/cuda"
)

func hashFile(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("package cuda\n\n// SpecHash identifies the set of commands that this build understands.\nconst SpecHash uint64 = %#016x", cuda.Hash(all))
}

func opsFile(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("package cuda\n\n// Opcodes of the commands.\nconst (")
	last := 0
	for _, f := range all {
		if f.Op != 0 {
			s.p("\t%s = %d", opName(f), f.Op)
			last = f.Op
		}
	}
	s.p("\n\t// OpCount is one more than the highest opcode.\n\tOpCount = %d\n)\n\n// OpNames are the commands' names, for logs.\nvar OpNames = [OpCount]string{", last+1)
	for _, f := range all {
		if f.Op != 0 {
			s.p("\t%s: %q,", opName(f), f.Symbol)
		}
	}
	s.p("}\n\n// Kinds of handles.\nconst (")
	for i, k := range cuda.Kinds {
		s.p("\tKind%s = %d", goKinds[k], i+1)
	}
	s.p("\tKindCount = %d\n)", len(cuda.Kinds)+1)
}

// goSignature is a host function's parameters and results in Go. Without pkg, types are unqualified.
func goSignature(f *cuda.Func, pkg string, named bool) string {
	var in, out []string
	for _, p := range f.Params {
		name := ident(p.Name)
		switch {
		case p.Type == "cstr":
			in = append(in, name+" string")
		case isBlob(p):
			in = append(in, name+" []byte")
		case isArray(p):
			in = append(in, name+" []"+pkg+goKinds[p.Type])
		case cuda.IsKind(p.Type):
			if isOut(p) || p.Dir == "new" {
				out = append(out, name+" "+pkg+goKinds[p.Type])
			} else {
				in = append(in, name+" "+pkg+goKinds[p.Type])
			}
		default:
			t := goScalar(p.Type, pkg)
			if p.Dir == "inout" {
				in = append(in, name+"In "+t)
			}
			if isOut(p) {
				out = append(out, name+" "+t)
			} else {
				in = append(in, name+" "+t)
			}
		}
	}
	if len(out) == 0 {
		return fmt.Sprintf("(%s) %sResult", strings.Join(in, ", "), pkg)
	}
	return fmt.Sprintf("(%s) (%s, r %sResult)", strings.Join(in, ", "), strings.Join(out, ", "), pkg)
}

func goScalar(t, pkg string) string {
	g := scalars[t].goType
	if g[0] >= 'A' && g[0] <= 'Z' {
		return pkg + g
	}
	return g
}

func hostFuncs(all []*cuda.Func) []*cuda.Func {
	countVariants(all)
	var out []*cuda.Func
	for _, f := range all {
		if f.OnHost() {
			out = append(out, f)
		}
	}
	return out
}

// apiFile writes the driver interface.
func apiFile(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("package driver\n")
	s.p("// Functions are the driver functions that a backend offers under their CUDA names, without cu and version.")
	s.p("// Parameters and results follow the specification in proto/cuda/spec; []byte parameters are filled by the")
	s.p("// backend where the specification says out or inout, and are valid during the call only.")
	s.p("type Functions interface {")
	for _, f := range hostFuncs(all) {
		s.p("\t%s%s", method(f), goSignature(f, "", true))
	}
	s.p("}")
}

func unsupportedFile(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("package driver\n")
	s.p("// Unsupported refuses every function. A backend embeds it and overrides what it has, so that what it lacks")
	s.p("// is an error with a name. Log, if set, is told each refused function.")
	s.p("type Unsupported struct{ Log func(function string) }\n")
	s.p("func (u Unsupported) refuse(function string) Result {\n\tif u.Log != nil {\n\t\tu.Log(function)\n\t}\n\treturn ErrorNotSupported\n}\n")
	for _, f := range hostFuncs(all) {
		sig := goSignature(f, "", true)
		s.p("// %s refuses %s.\nfunc (u Unsupported) %s%s {", method(f), f.Symbol, method(f), sig)
		if strings.Contains(sig, ", r Result)") {
			s.p("\tr = u.refuse(%q)\n\treturn\n}\n", f.Symbol)
		} else {
			s.p("\treturn u.refuse(%q)\n}\n", f.Symbol)
		}
	}
}

// dispatchFile writes the worker's decoders and the interface of its handlers.
func dispatchFile(s *source, all []*cuda.Func) {
	countVariants(all)
	s.head("//")
	s.p("package worker\n\nimport (\n\t\"github.com/orion-vgpu/orion/host/driver\"\n\t\"github.com/orion-vgpu/orion/proto/cuda\"\n)\n")
	s.p("// dispatch decodes a command's arguments and runs it. The result goes into the reply.")
	s.p("func (s *server) dispatch(api driver.API, op uint16, a *args, reply *reply) driver.Result {\n\tswitch op {")
	for _, f := range all {
		if f.Op != 0 {
			decoder(s, f)
		}
	}
	s.p("\t}\n\ta.fail()\n\treturn driver.ErrorInvalidValue\n}")
}

// decoder writes one case of the dispatch: arguments in the order of the frame, then checks of lengths against
// the parameters that they depend on, then the call, then the reply.
func decoder(s *source, f *cuda.Func) {
	s.p("\tcase cuda.%s:", opName(f))
	var callArgs, results, after, checks []string
	for _, p := range f.Params {
		name := ident(p.Name)
		switch {
		case p.Dir == "new":
			s.p("\t\t%sID := a.newID()", name)
			results = append(results, name)
			after = append(after, fmt.Sprintf("s.handles.bind(%sID, cuda.Kind%s, uint64(%s))", name, goKinds[p.Type], name))
			continue
		case p.Dir == "out" && isBlob(p):
			checks = append(checks, fmt.Sprintf("%s := a.out(%s)", name, goLen(p)))
			after = append(after, fmt.Sprintf("reply.blob(%s)", name))
		case isOut(p) && cuda.IsKind(p.Type):
			results = append(results, name)
			after = append(after, fmt.Sprintf("reply.u64(s.handles.idOf(cuda.Kind%s, uint64(%s)))", goKinds[p.Type], name))
			continue
		case isOut(p) && !isBlob(p):
			results = append(results, name)
			after = append(after, "reply."+replyWord(p, name))
			if p.Dir == "out" {
				continue
			}
			name += "In"
			s.p("\t\t%s := %s", name, fromWord(p))
		case p.Type == "cstr":
			s.p("\t\t%s := a.cstr()", name)
		case isBlob(p):
			if p.Dir == "inout" {
				s.p("\t\t%s := a.inout(a.blob())", name)
			} else {
				s.p("\t\t%s := a.blob()", name)
			}
			check := "length"
			if p.Nullable {
				check = "lengthOrNil"
			}
			checks = append(checks, fmt.Sprintf("a.%s(%s, %s)", check, name, goLen(p)))
			if p.Dir == "inout" {
				after = append(after, fmt.Sprintf("reply.blob(%s)", name))
			}
		case isArray(p):
			s.p("\t\t%s := handles[driver.%s](a, s, cuda.Kind%s)", name, goKinds[p.Type], goKinds[p.Type])
			checks = append(checks, fmt.Sprintf("a.count(len(%s), %s)", name, goLen(p)))
		case cuda.IsKind(p.Type):
			if p.Dir == "free" {
				s.p("\t\t%sID := a.peek()", name)
				after = append(after, fmt.Sprintf("s.handles.unbind(%sID)", name))
			}
			s.p("\t\t%s := driver.%s(a.handle(s, cuda.Kind%s))", name, goKinds[p.Type], goKinds[p.Type])
		default:
			s.p("\t\t%s := %s", name, fromWord(p))
		}
		callArgs = append(callArgs, name)
	}
	for _, c := range checks {
		s.p("\t\t%s", c)
	}
	s.p("\t\tif r := a.result(); r != driver.Success {\n\t\t\treturn r\n\t\t}")
	target := "api." + method(f)
	if f.Command {
		target = "s.on" + method(f)
		callArgs = append([]string{"api"}, callArgs...)
		if f.Mode == cuda.Fence || f.Mode == cuda.Wait {
			callArgs = append(callArgs, "reply")
		}
	}
	results = append(results, "r")
	s.p("\t\t%s := %s(%s)", strings.Join(results, ", "), target, strings.Join(callArgs, ", "))
	if len(after) > 0 {
		s.p("\t\tif r == driver.Success {")
		for _, l := range after {
			s.p("\t\t\t%s", l)
		}
		var blobs []string
		for _, l := range after {
			if f.Command && strings.HasPrefix(l, "reply.blob(") {
				blobs = append(blobs, l)
			}
		}
		if len(blobs) > 0 { // a failure has its log
			s.p("\t\t} else if r != pending {\n\t\t\t%s", strings.Join(blobs, "\n"))
		}
		s.p("\t\t}")
	}
	s.p("\t\treturn r")
}

func fromWord(p cuda.Param) string {
	switch p.Type {
	case "f32":
		return "a.f32()"
	case "u64":
		return "a.u64()"
	case "hostptr":
		return "driver.HostPtr(a.u64())"
	}
	return goScalar(p.Type, "driver.") + "(a.u64())"
}

func replyWord(p cuda.Param, name string) string {
	if p.Type == "f32" {
		return "f32(" + name + ")"
	}
	if p.Type == "i32" || p.Type == "device" {
		return "u64(uint64(uint32(" + name + ")))"
	}
	return "u64(uint64(" + name + "))"
}

// goLen is a length expression in Go, over parameters that are bounded first, so that it cannot overflow.
func goLen(p cuda.Param) string {
	return lengthIn(p.Len, func(n string) string { return "a.bounded(uint64(" + ident(n) + "))" })
}

// resultsFile writes the CUresult codes as Go constants with their names.
func resultsFile(s *source, _ []*cuda.Func) {
	s.head("//")
	s.p("package driver\n\n// The results of driver functions, numbered as CUDA numbers them.\nconst (")
	for _, r := range cuda.Results {
		s.p("\t%s Result = %d // %s", resultName(r.Name), r.Code, r.Text)
	}
	s.p(")\n\nvar resultNames = map[Result]string{")
	for _, r := range cuda.Results {
		s.p("\t%s: %q,", resultName(r.Name), r.Name)
	}
	s.p("}")
}

func resultName(name string) string {
	var b strings.Builder
	for _, part := range strings.Split(strings.TrimPrefix(name, "CUDA_"), "_") {
		if part == "PTX" || part == "CPU" {
			b.WriteString(part)
			continue
		}
		b.WriteString(part[:1] + strings.ToLower(part[1:]))
	}
	return b.String()
}

// resultsHeader writes the same codes for C.
func resultsHeader(s *source, _ []*cuda.Func) {
	s.head("//")
	s.p("#pragma once\n\nenum result {")
	for _, r := range cuda.Results {
		s.p("\t%s = %d,", r.Name, r.Code)
	}
	s.p("};")
}
