// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

const maxWidth = 1024

// appendFormat appends a C format filled in with values as the compiler lays them out: each aligned to its
// size, numbers at least an int, floats as doubles. text reads a string. It returns the number of arguments.
func appendFormat(out []byte, format string, values []byte, text func(addr uint64) string) ([]byte, int) {
	at, count := 0, 0
	next := func(size int) uint64 {
		at = (at + size - 1) &^ (size - 1)
		if at+size > len(values) {
			at = len(values)
			return 0
		}
		v := uint64(binary.LittleEndian.Uint32(values[at:]))
		if size == 8 {
			v = binary.LittleEndian.Uint64(values[at:])
		}
		at += size
		count++
		return v
	}
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out = append(out, format[i])
			continue
		}
		start := i
		spec := []byte{'%'}
		for i++; i < len(format) && strings.IndexByte("-+ #0", format[i]) >= 0; i++ {
			spec = append(spec, format[i])
		}
		number := func() {
			if i < len(format) && format[i] == '*' {
				spec = fmt.Appendf(spec, "%d", max(min(int32(next(4)), maxWidth), -maxWidth))
				i++
				return
			}
			n := 0
			digits := false
			for ; i < len(format) && format[i] >= '0' && format[i] <= '9'; i++ {
				n, digits = min(n*10+int(format[i]-'0'), maxWidth), true
			}
			if digits {
				spec = fmt.Appendf(spec, "%d", n)
			}
		}
		number()
		if i < len(format) && format[i] == '.' {
			spec = append(spec, '.')
			i++
			number()
		}
		size := 4
		for ; i < len(format) && strings.IndexByte("hlLqjzt", format[i]) >= 0; i++ {
			if format[i] != 'h' {
				size = 8
			}
		}
		if i == len(format) {
			return append(out, format[start:]...), count
		}
		switch verb := format[i]; verb {
		case '%':
			out = append(out, '%')
		case 'd', 'i':
			v := int64(next(size))
			if size == 4 {
				v = int64(int32(v))
			}
			out = fmt.Appendf(out, string(spec)+"d", v)
		case 'u':
			out = fmt.Appendf(out, string(spec)+"d", next(size))
		case 'x', 'X', 'o':
			out = fmt.Appendf(out, string(spec)+string(verb), next(size))
		case 'c':
			out = fmt.Appendf(out, string(spec)+"s", string([]byte{byte(next(4))}))
		case 's':
			out = fmt.Appendf(out, string(spec)+"s", text(next(8)))
		case 'p':
			out = fmt.Appendf(out, string(spec)+"s", fmt.Sprintf("%#x", next(8)))
		case 'e', 'E', 'f', 'F', 'g', 'G', 'a', 'A':
			out = appendFloat(out, string(spec), verb, math.Float64frombits(next(8)))
		default:
			out = append(out, format[start:i+1]...)
		}
	}
	return out, count
}

// appendFloat writes a float as C does where Go differs.
func appendFloat(out []byte, spec string, verb byte, v float64) []byte {
	upper := verb < 'a'
	if v != v || math.IsInf(v, 0) {
		s := "inf"
		switch {
		case v != v:
			s = "nan"
		case v < 0:
			s = "-inf"
		case strings.Contains(spec, "+"):
			s = "+inf"
		}
		if upper {
			s = strings.ToUpper(s)
		}
		// Neither sign, nor zeros to fill, nor a precision; the width and its side stay.
		width, _, _ := strings.Cut(strings.TrimPrefix(spec, "%"), ".")
		side := ""
		if strings.Contains(width, "-") {
			side = "-"
		}
		return fmt.Appendf(out, "%"+side+strings.TrimLeft(width, "-+ #0")+"s", s)
	}
	switch verb {
	case 'a', 'A':
		return fmt.Appendf(out, spec+map[bool]string{true: "X", false: "x"}[upper], v)
	case 'g', 'G':
		if !strings.Contains(spec, ".") {
			spec += ".6" // Go prints as many digits as needed
		}
	}
	return fmt.Appendf(out, spec+string(verb), v)
}
