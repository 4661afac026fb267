// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/orion-vgpu/orion/proto/cuda"
)

// wireHeader writes the constants of package wire for C, under their names in upper case: WIRE_RING_SIZE.
func wireHeader(s *source, _ []*cuda.Func) {
	s.head("//")
	s.p("#pragma once\n#include <stdint.h>\n")
	paths, err := filepath.Glob("proto/wire/*.go")
	if err != nil {
		log.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			log.Fatal(err)
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	pkg, err := conf.Check("wire", fset, files, nil)
	if err != nil {
		log.Fatalf("check proto/wire: %v", err)
	}
	scope := pkg.Scope()
	for _, name := range scope.Names() {
		c, ok := scope.Lookup(name).(*types.Const)
		if !ok || !c.Exported() {
			continue
		}
		if v, exact := constant.Uint64Val(constant.ToInt(c.Val())); exact {
			s.p("#define WIRE_%s %#xull", upperSnake(name), v)
		} else if v, exact := constant.Int64Val(constant.ToInt(c.Val())); exact {
			s.p("#define WIRE_%s (%dll)", upperSnake(name), v)
		}
	}
}

var wordStart = regexp.MustCompile(`([a-z0-9])([A-Z])`)

func upperSnake(name string) string {
	return strings.ToUpper(wordStart.ReplaceAllString(name, "${1}_${2}"))
}
