// SPDX-License-Identifier: Apache-2.0

package ptx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokIdent            // name
	tokDot              // .name; text is without the dot
	tokInt              // value
	tokSingle           // value: bits
	tokDouble           // value: bits
	tokString
	tokPunct // text: one character, or "||", "&&", ...
)

type token struct {
	kind  tokenKind
	text  string
	value uint64
	line  int
}

type lexer struct {
	src  string
	at   int
	line int
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '%'
}
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (l *lexer) skip() error {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case c == '\n':
			l.line++
			l.at++
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v':
			l.at++
		case strings.HasPrefix(l.src[l.at:], "//"):
			n := strings.IndexByte(l.src[l.at:], '\n')
			if n < 0 {
				n = len(l.src) - l.at
			}
			l.at += n
		case strings.HasPrefix(l.src[l.at:], "/*"):
			n := strings.Index(l.src[l.at+2:], "*/")
			if n < 0 {
				return fmt.Errorf("line %d: comment does not end", l.line)
			}
			l.line += strings.Count(l.src[l.at:l.at+2+n], "\n")
			l.at += n + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	t := token{line: l.line}
	if l.at >= len(l.src) {
		return t, nil
	}
	start := l.at
	switch c := l.src[l.at]; {
	case isLetter(c):
		for l.at++; l.at < len(l.src) && (isLetter(l.src[l.at]) && l.src[l.at] != '%' || isDigit(l.src[l.at])); {
			l.at++
		}
		t.kind, t.text = tokIdent, l.src[start:l.at]
	case c == '.':
		l.at++
		for l.at < len(l.src) && (isLetter(l.src[l.at]) || isDigit(l.src[l.at]) || strings.HasPrefix(l.src[l.at:], "::")) {
			if l.src[l.at] == ':' {
				l.at++
			}
			l.at++
		}
		t.kind, t.text = tokDot, l.src[start+1:l.at]
		if t.text == "" {
			return t, fmt.Errorf("line %d: a dot without a name", l.line)
		}
	case isDigit(c):
		return l.number()
	case c == '"':
		n := strings.IndexByte(l.src[start+1:], '"')
		if n < 0 {
			return t, fmt.Errorf("line %d: string does not end", l.line)
		}
		l.at += n + 2
		t.kind, t.text = tokString, l.src[start+1:start+1+n]
		l.line += strings.Count(t.text, "\n")
	default:
		l.at++
		t.kind, t.text = tokPunct, l.src[start:l.at]
	}
	return t, nil
}

func (l *lexer) number() (token, error) {
	t := token{kind: tokInt, line: l.line}
	start := l.at
	bits := func(digits int, kind tokenKind) (token, error) {
		end := start + 2 + digits
		if end > len(l.src) {
			return t, fmt.Errorf("line %d: float is cut off", l.line)
		}
		v, err := strconv.ParseUint(l.src[start+2:end], 16, 64)
		if err != nil {
			return t, fmt.Errorf("line %d: read float: %w", l.line, err)
		}
		l.at = end
		t.kind, t.value = kind, v
		return t, nil
	}
	if l.src[start] == '0' && start+1 < len(l.src) {
		switch l.src[start+1] {
		case 'f', 'F':
			return bits(8, tokSingle)
		case 'd', 'D':
			return bits(16, tokDouble)
		}
	}
	float := false
	hex := strings.HasPrefix(l.src[start:], "0x") || strings.HasPrefix(l.src[start:], "0X")
	for l.at < len(l.src) {
		c := l.src[l.at]
		exponent := (c == '+' || c == '-') && float && (l.src[l.at-1] == 'e' || l.src[l.at-1] == 'E')
		if !hex && (c == '.' || c == 'e' || c == 'E') {
			float = true
		} else if !isDigit(c) && !isLetter(c) && !exponent {
			break
		}
		l.at++
	}
	text := l.src[start:l.at]
	if float {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return t, fmt.Errorf("line %d: read float %q: %w", l.line, text, err)
		}
		t.kind, t.value = tokDouble, math.Float64bits(v)
		return t, nil
	}
	v, err := strconv.ParseUint(strings.TrimRight(text, "Uu"), 0, 64)
	if err != nil {
		return t, fmt.Errorf("line %d: read number %q: %w", l.line, text, err)
	}
	t.value = v
	return t, nil
}
