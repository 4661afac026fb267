// SPDX-License-Identifier: Apache-2.0

package ptx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits on what one module may hold.
const (
	maxSource    = 1 << 30
	maxDepth     = 64
	maxRegisters = 1 << 20
	maxVarBytes  = 1 << 40
	maxElems     = 1 << 28
)

type parser struct {
	lex    lexer
	tok    token
	mod    *Module
	body   *Body
	scopes []map[string]string // of the body: declared name to unique name
	unique int
	regs   int
}

// Parse reads PTX text. Anything from the first NUL on is ignored.
func Parse(text string) (*Module, error) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	if len(text) > maxSource {
		return nil, errors.New("parse PTX: more than 1 GiB of text")
	}
	p := &parser{lex: lexer{src: text, line: 1}, mod: &Module{Aliases: map[string]string{}}}
	if err := p.module(); err != nil {
		return nil, fmt.Errorf("parse PTX: %w", err)
	}
	return p.mod, nil
}

func (p *parser) fail(format string, a ...any) error {
	return fmt.Errorf("line %d: %s", p.tok.line, fmt.Sprintf(format, a...))
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) is(punct string) bool { return p.tok.kind == tokPunct && p.tok.text == punct }

// accept takes a punctuation mark if it is next.
func (p *parser) accept(punct string) (bool, error) {
	if !p.is(punct) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(punct string) error {
	if !p.is(punct) {
		return p.fail("%q where %q should be", p.tok.text, punct)
	}
	return p.advance()
}

func (p *parser) ident() (string, error) {
	if p.tok.kind != tokIdent {
		return "", p.fail("%q where a name should be", p.tok.text)
	}
	s := p.tok.text
	return s, p.advance()
}

func (p *parser) number() (int, error) {
	if p.tok.kind != tokInt || p.tok.value > maxVarBytes {
		return 0, p.fail("%q where a number should be", p.tok.text)
	}
	v := int(p.tok.value)
	return v, p.advance()
}

func (p *parser) module() error {
	if err := p.advance(); err != nil {
		return err
	}
	if p.tok.kind != tokDot || p.tok.text != "version" {
		return p.fail("not PTX: it does not begin with .version")
	}
	for p.tok.kind != tokEnd {
		if err := p.topLevel(); err != nil {
			return err
		}
	}
	if p.mod.AddressSize == 0 {
		// Before PTX 2.3 there was no .address_size, and addresses were as wide as the host's.
		p.mod.AddressSize = 32
		if v := p.mod.Version; v[0] < 2 || v[0] == 2 && v[1] < 3 {
			p.mod.AddressSize = 64
		}
	}
	return nil
}

func (p *parser) topLevel() error {
	if p.tok.kind != tokDot {
		if ok, err := p.accept(";"); ok || err != nil {
			return err
		}
		return p.fail("%q where a directive should be", p.tok.text)
	}
	switch p.tok.text {
	case "version":
		return p.version()
	case "target":
		return p.target()
	case "address_size":
		if err := p.advance(); err != nil {
			return err
		}
		n, err := p.number()
		p.mod.AddressSize = n
		return err
	case "file", "loc":
		return p.skipLine()
	case "section":
		return p.skipBlock()
	case "alias":
		return p.alias()
	case "pragma":
		return p.skipTo(";")
	}
	return p.declaration()
}

func (p *parser) version() error {
	// The lexer reads 8.4 as a float; its text says what was meant.
	if err := p.lex.skip(); err != nil {
		return err
	}
	start := p.lex.at
	if err := p.advance(); err != nil {
		return err
	}
	major, minor, _ := strings.Cut(p.lex.src[start:p.lex.at], ".")
	var errs [2]error
	p.mod.Version[0], errs[0] = strconv.Atoi(major)
	p.mod.Version[1], errs[1] = strconv.Atoi(minor)
	if errors.Join(errs[:]...) != nil {
		return p.fail("version is not MAJOR.MINOR")
	}
	return p.advance()
}

func (p *parser) target() error {
	for {
		if err := p.advance(); err != nil {
			return err
		}
		s, err := p.ident()
		if err != nil {
			return err
		}
		p.mod.Target = append(p.mod.Target, s)
		if !p.is(",") {
			return nil
		}
	}
}

func (p *parser) alias() error {
	if err := p.advance(); err != nil {
		return err
	}
	a, err := p.ident()
	if err != nil {
		return err
	}
	if err := p.expect(","); err != nil {
		return err
	}
	b, err := p.ident()
	if err != nil {
		return err
	}
	p.mod.Aliases[a] = b
	return p.expect(";")
}

// skipLine skips a debug directive, which ends with its line.
func (p *parser) skipLine() error {
	line := p.tok.line
	for p.tok.kind != tokEnd && p.tok.line == line {
		if err := p.advance(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) skipTo(punct string) error {
	for !p.is(punct) {
		if p.tok.kind == tokEnd {
			return p.fail("the text ends where %q should be", punct)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.advance()
}

// skipBlock skips a debug section: its name and a block in braces.
func (p *parser) skipBlock() error {
	for !p.is("{") {
		if p.tok.kind == tokEnd {
			return p.fail("a section without a block")
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
	return p.skipTo("}")
}
