// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/orion-vgpu/orion/proto/cuda"
)

// callsHeader declares the encoders and the opcodes for the guest.
func callsHeader(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("#pragma once\n#include <stddef.h>\n#include <stdint.h>\n")
	s.p("#define ORION_SPEC_HASH 0x%016xull", cuda.Hash(all))
	s.p("\nenum kind {")
	for i, k := range cuda.Kinds {
		s.p("\t%s = %d,", kindConst(k), i+1)
	}
	s.p("\tKIND_COUNT = %d,\n};\n\nenum op {", len(cuda.Kinds)+1)
	for _, f := range all {
		if f.Op != 0 {
			s.p("\tOP_%s = %d,", f.Symbol, f.Op)
		}
	}
	s.p("\tOP_COUNT,\n};\n\nextern const char *const op_names[];\n")
	for _, f := range all {
		if f.Crosses() {
			s.p("int wire_%s(%s);", f.Symbol, cParams(f))
		}
	}
}

// cParams is the C parameter list of a function. Handles are pointers; lengths are explicit.
func cParams(f *cuda.Func) string {
	var out []string
	for _, p := range f.Params {
		name := ident(p.Name)
		switch {
		case p.Type == "cstr":
			out = append(out, "const char *"+name)
		case isBlob(p) && isOut(p):
			out = append(out, "void *"+name)
		case isBlob(p):
			out = append(out, "const void *"+name)
		case isArray(p):
			out = append(out, "void *const *"+name)
		case cuda.IsKind(p.Type) && (isOut(p) || p.Dir == "new"):
			out = append(out, "void **"+name)
		case cuda.IsKind(p.Type):
			out = append(out, "void *"+name)
		case isOut(p):
			out = append(out, scalars[p.Type].c+" *"+name)
		default:
			out = append(out, scalars[p.Type].c+" "+name)
		}
	}
	if len(out) == 0 {
		return "void"
	}
	return strings.Join(out, ", ")
}

func cArgs(f *cuda.Func, streamMap string) string {
	var out []string
	for _, p := range f.Params {
		name := ident(p.Name)
		if p.Type == "stream" && p.Dir == "" && streamMap != "" {
			name = streamMap + "(" + name + ")"
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// callsSource writes the encoders, and the exported functions of the generated modes.
func callsSource(s *source, all []*cuda.Func) {
	s.head("//")
	s.p("#include \"../call.h\"\n#include \"../function.h\"\n#include \"../graph.h\"\n#include \"../object.h\"\n#include \"../state.h\"\n#include \"calls.h\"\n")
	s.p("const char *const op_names[] = {")
	for _, f := range all {
		if f.Op != 0 {
			s.p("\t[OP_%s] = \"%s\",", f.Symbol, f.Symbol)
		}
	}
	s.p("};\n")
	for _, f := range all {
		if f.Crosses() {
			encoder(s, f)
		}
		if !f.Command && (f.Mode == cuda.Call || f.Mode == cuda.Cast) {
			exported(s, f)
		}
	}
}

// exported writes the public function around an encoder.
func exported(s *source, f *cuda.Func) {
	enter := "enter_context()"
	if noContext(f) {
		enter = "enter()"
	}
	if o := frees(f); o != nil && !noContext(f) { // an object knows its context
		s.p("EXPORT int %s(%s)\n{\n\tstruct object *mine = thread.context;\n\tint r = enter_context_of_object(%s, %s);\n\tif (!r)\n\t\tr = wire_%s(%s);\n\tthread.context = mine;\n\treturn r;\n}\n", f.Symbol, cParams(f), ident(o.Name), kindConst(o.Type), f.Symbol, cArgs(f, "stream_legacy"))
		return
	}
	s.p("EXPORT int %s(%s)\n{\n\tint r = %s;\n\treturn r ? r : wire_%s(%s);\n}", f.Symbol, cParams(f), enter, f.Symbol, cArgs(f, "stream_legacy"))
	if f.Thread == "_ptsz" {
		s.p("EXPORT int %s_ptsz(%s)\n{\n\tint r = %s;\n\treturn r ? r : wire_%s(%s);\n}", f.Symbol, cParams(f), enter, f.Symbol, cArgs(f, "stream_per_thread"))
	}
	s.p("")
}

// frees is the object that a function frees, nil for others.
func frees(f *cuda.Func) *cuda.Param {
	for i := range f.Params {
		if f.Params[i].Dir == "free" {
			return &f.Params[i]
		}
	}
	return nil
}

// mayBeEmpty says whether a blob of the API's may have no bytes, of which the driver may want to know where they are.
func mayBeEmpty(f *cuda.Func, p cuda.Param) bool {
	_, err := strconv.Atoi(p.Len)
	return err != nil && !f.Command
}

// noContext says whether a function works on a thread without a current context.
func noContext(f *cuda.Func) bool {
	return strings.HasPrefix(f.Symbol, "cuDevice") || strings.HasPrefix(f.Symbol, "cuMemPool") ||
		strings.HasPrefix(f.Symbol, "cuMulticast") || strings.HasSuffix(f.Symbol, "MemPool") || strings.HasPrefix(f.Symbol, "cuGreenCtx") ||
		strings.HasPrefix(f.Symbol, "cuLibrary") || strings.HasPrefix(f.Symbol, "cuGraph") && f.Symbol != "cuGraphLaunch" ||
		strings.HasPrefix(f.Symbol, "cuTensorMap") || strings.HasPrefix(f.Symbol, "cuMemCreate") ||
		strings.HasPrefix(f.Symbol, "cuMemGetAllocation") || strings.HasPrefix(f.Symbol, "cuMemRelease") ||
		strings.HasPrefix(f.Symbol, "cuMemMap") || strings.HasPrefix(f.Symbol, "cuMemUnmap") || strings.HasPrefix(f.Symbol, "cuMemSetAccess") ||
		strings.HasPrefix(f.Symbol, "cuMemGetAccess")
}

// encoder writes wire_SYMBOL: checks, one frame, the answer.
func encoder(s *source, f *cuda.Func) {
	s.p("int wire_%s(%s)\n{", f.Symbol, cParams(f))
	fixed := 0
	var sizes []string
	var created, freed []cuda.Param
	for _, p := range f.Params {
		name := ident(p.Name)
		switch {
		case p.Dir == "new":
			created = append(created, p)
			fixed++
		case isOut(p):
			if !isBlob(p) || !p.Nullable {
				s.p("\tif (!%s)\n\t\treturn CUDA_ERROR_INVALID_VALUE;", name)
			}
			if p.Dir == "inout" && isBlob(p) {
				fixed++
				sizes = append(sizes, fmt.Sprintf("call_pad(%s)", p.Len))
			} else if p.Dir == "inout" {
				fixed++
			}
		case p.Type == "cstr":
			s.p("\tif (!%s)\n\t\treturn CUDA_ERROR_INVALID_VALUE;\n\tsize_t %s_bytes = strlen(%s);", name, name, name)
			fixed++
			sizes = append(sizes, fmt.Sprintf("call_pad(%s_bytes)", name))
		case isBlob(p):
			s.p("\tsize_t %s_bytes = %s ? (size_t)(%s) : 0;", name, name, lengthIn(p.Len, ident))
			if !p.Nullable {
				s.p("\tif (!%s && (%s) != 0)\n\t\treturn CUDA_ERROR_INVALID_VALUE;", name, lengthIn(p.Len, ident))
			}
			fixed++
			sizes = append(sizes, fmt.Sprintf("call_pad(%s_bytes)", name))
		case isArray(p):
			s.p("\tif (!%s && (%s) != 0)\n\t\treturn CUDA_ERROR_INVALID_VALUE;", name, lengthIn(p.Len, ident))
			fixed++
			sizes = append(sizes, fmt.Sprintf("8 * (size_t)(%s)", lengthIn(p.Len, ident)))
		case cuda.IsKind(p.Type):
			if p.Type == "func" {
				s.p("\t%s = function_handle(%s);", name, name)
			}
			s.p("\tuint64_t %s_wire;\n\tif (!handle_id(%s, %s, &%s_wire))\n\t\treturn CUDA_ERROR_INVALID_HANDLE;", name, name, kindConst(p.Type), name)
			fixed++
			if p.Dir == "free" {
				freed = append(freed, p)
			}
		default:
			fixed++
		}
	}
	for _, p := range created {
		name := ident(p.Name)
		s.p("\tif (!%s)\n\t\treturn CUDA_ERROR_INVALID_VALUE;\n\tstruct object *%s_object = object_new(%s);\n\tif (!%s_object)\n\t\treturn CUDA_ERROR_OUT_OF_MEMORY;", name, name, kindConst(p.Type), name)
	}
	total := fmt.Sprintf("%d", fixed*8)
	if len(sizes) > 0 {
		total += " + " + strings.Join(sizes, " + ")
	}
	kind := "CALL_WAIT"
	if f.Async() {
		kind = "CALL_CAST"
	}
	s.p("\tstruct call c;\n\tint r = call_begin(&c, OP_%s, %s, %s);", f.Symbol, total, kind)
	undo := ""
	for _, p := range created {
		undo += fmt.Sprintf("\t\tobject_free(%s_object);\n", ident(p.Name))
	}
	s.p("\tif (r) {\n%s\t\treturn r;\n\t}", undo)
	for _, p := range f.Params {
		name := ident(p.Name)
		switch {
		case p.Dir == "new":
			s.p("\tcall_u64(&c, object_id(%s_object));", name)
		case p.Dir == "out":
		case p.Dir == "inout" && isBlob(p):
			s.p("\tcall_blob(&c, %s, %s);", name, p.Len)
		case p.Dir == "inout":
			s.p("\tcall_u64(&c, (uint64_t)*%s);", name)
		case p.Type == "cstr":
			s.p("\tcall_blob(&c, %s, %s_bytes);", name, name)
		case isBlob(p) && (p.Nullable || mayBeEmpty(f, p)):
			s.p("\tif (%s)\n\t\tcall_blob(&c, %s, %s_bytes);\n\telse\n\t\tcall_u64(&c, UINT64_MAX);", name, name, name)
		case isBlob(p):
			s.p("\tcall_blob(&c, %s, %s_bytes);", name, name)
		case isArray(p):
			s.p("\tr = call_handles(&c, %s, %s, %s);", kindConst(p.Type), name, lengthIn(p.Len, ident))
		case cuda.IsKind(p.Type):
			s.p("\tcall_u64(&c, %s_wire);", name)
		case p.Type == "f32":
			s.p("\tcall_f32(&c, %s);", name)
		case p.Type == "i32" || p.Type == "device":
			s.p("\tcall_u64(&c, (uint32_t)%s);", name)
		default:
			s.p("\tcall_u64(&c, %s);", name)
		}
	}
	s.p("\tr = call_end(&c);")
	if len(created)+len(freed) > 0 || hasOut(f) {
		s.p("\tif (r == CUDA_SUCCESS) {")
		for _, p := range f.Params {
			name := ident(p.Name)
			switch {
			case p.Dir == "new":
				s.p("\t\t*%s = %s_object;", name, name)
				if p.Type == "node" && graphOf(f) != "" {
					s.p("\t\tgraph_owns(%s, %s_object);", graphOf(f), name)
				}
			case p.Dir == "free":
				s.p("\t\tobject_free(%s);", name)
			case isOut(p) && isBlob(p):
				s.p("\t\treply_blob(&c, %s, %s);", name, lengthIn(p.Len, ident))
			case isOut(p) && cuda.IsKind(p.Type):
				s.p("\t\t*%s = handle_from_id(%s, reply_u64(&c));", name, kindConst(p.Type))
			case isOut(p) && p.Type == "f32":
				s.p("\t\t*%s = reply_f32(&c);", name)
			case isOut(p):
				s.p("\t\t*%s = (%s)reply_u64(&c);", name, scalars[p.Type].c)
			}
		}
		fault := undo
		if f.Command {
			// A failure of a command may have something to tell: compilers' logs.
			for _, p := range f.Params {
				if isOut(p) && isBlob(p) {
					fault += fmt.Sprintf("\t\tif (c.reply_bytes == %s)\n\t\t\treply_blob(&c, %s, %s);\n", p.Len, ident(p.Name), p.Len)
				}
			}
		}
		if fault != "" {
			s.p("\t} else {\n%s\t}", fault)
		} else {
			s.p("\t}")
		}
	}
	s.p("\treturn r;\n}\n")
}

// graphOf is the name of the parameter that says to which graph a new node belongs.
func graphOf(f *cuda.Func) string {
	for _, p := range f.Params {
		if p.Type == "graph" && p.Dir == "" {
			return ident(p.Name)
		}
	}
	return ""
}

func hasOut(f *cuda.Func) bool {
	for _, p := range f.Params {
		if isOut(p) {
			return true
		}
	}
	return false
}
