// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"

	"github.com/orion-vgpu/orion/proto/cuda"
)

// scalar describes how a scalar type looks in C and in Go.
type scalar struct{ c, goType string }

var scalars = map[string]scalar{
	"u8": {"unsigned char", "uint8"}, "u16": {"unsigned short", "uint16"}, "u32": {"unsigned int", "uint32"},
	"u64": {"uint64_t", "uint64"}, "i32": {"int", "int32"}, "f32": {"float", "float32"},
	"device": {"int", "Device"}, "devptr": {"uint64_t", "DevicePtr"}, "hostptr": {"uint64_t", "HostPtr"},
}

// goKinds are the Go types of handles.
var goKinds = map[string]string{
	"ctx": "Context", "stream": "Stream", "event": "Event", "module": "Module", "func": "Function",
	"library": "Library", "kernel": "Kernel", "graph": "Graph", "node": "GraphNode", "exec": "GraphExec",
	"pool": "MemPool", "array": "Array", "mipmap": "MipmappedArray", "texref": "TexRef", "surfref": "SurfRef",
	"link": "LinkState", "memh": "MemHandle", "userobj": "UserObject", "green": "GreenContext",
	"resdesc": "ResourceDesc",
}

func kindConst(kind string) string { return "KIND_" + strings.ToUpper(kind) }

// reserved maps parameter names that Go or C cannot have.
var reserved = map[string]string{"type": "kind", "map": "access", "func": "fn", "range": "rng", "len": "length",
	"bytes": "size", "string": "str", "api": "drv", "s": "src_", "r": "res_", "a": "arg_"}

func ident(name string) string {
	if n, ok := reserved[name]; ok {
		return n
	}
	if strings.HasPrefix(name, "h") && len(name) > 1 && name[1] >= 'A' && name[1] <= 'Z' {
		name = strings.ToLower(name[1:2]) + name[2:]
		if n, ok := reserved[name]; ok {
			return n
		}
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// method is a function's name in Go: the symbol without cu and version.
func method(f *cuda.Func) string {
	if !f.Command {
		return strings.TrimPrefix(f.Base(), "cu") + versionLetter(f)
	}
	var b strings.Builder
	for _, part := range strings.Split(f.Symbol, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// versionLetter keeps apart the variants of one function that both exist on the host.
func versionLetter(f *cuda.Func) string {
	if hostVariants[f.Base()] > 1 {
		if m := regexp.MustCompile(`_v(\d+)$`).FindStringSubmatch(f.Symbol); m != nil {
			return "V" + m[1]
		}
	}
	return ""
}

var hostVariants = map[string]int{}

func countVariants(all []*cuda.Func) {
	clear(hostVariants)
	for _, f := range all {
		if f.OnHost() {
			hostVariants[f.Base()]++
		}
	}
}

// opName is the name of an opcode in Go.
func opName(f *cuda.Func) string {
	if f.Command {
		return "Op" + method(f)
	}
	return "OpCu" + strings.TrimPrefix(f.Symbol, "cu")
}

var identifier = regexp.MustCompile(`[A-Za-z_]\w*`)

// lengthIn rewrites a length expression with each parameter turned by name.
func lengthIn(expr string, name func(string) string) string {
	return identifier.ReplaceAllStringFunc(expr, name)
}

func isOut(p cuda.Param) bool   { return p.Dir == "out" || p.Dir == "inout" }
func isBlob(p cuda.Param) bool  { return p.Type == "bytes" }
func isArray(p cuda.Param) bool { return cuda.IsKind(p.Type) && p.Len != "" }
