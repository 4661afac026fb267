// SPDX-License-Identifier: Apache-2.0

package managed

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// declaration is that of a managed variable in PTX: attribute, alignment, type, name, length, up to its value.
var declaration = regexp.MustCompile(`\.attribute\s*\(\s*\.managed\s*\)((?:\s*\.(?:align\s+\d+|[a-z]\w*))*)\s+([A-Za-z_$%][\w$]*)((?:\s*\[\s*\d*\s*\])*)\s*[=;]`)

var alignment = regexp.MustCompile(`\.align\s+(\d+)`)
var kindOf = regexp.MustCompile(`\.(?:v([24])|[a-z](\d+))\b`)
var lengths = regexp.MustCompile(`\[\s*(\d*)\s*\]`)

var attribute = []byte(".managed")

// Text says whether PTX has managed variables.
func Text(ptx []byte) bool { return bytes.Contains(ptx, attribute) && declaration.Match(ptx) }

// FromText reads PTX for the software GPU, to which the placed text says addresses as a second attribute:
// .attribute(.managed, ADDRESS). It initialises the variables itself.
func FromText(ptx []byte) (*Image, error) {
	i := &Image{}
	found := declaration.FindAllSubmatch(ptx, -1)
	for _, m := range found {
		v, err := declared(m)
		if err != nil {
			return nil, err
		}
		i.Variables = append(i.Variables, v)
	}
	if err := i.arrange(); err != nil {
		return nil, err
	}
	i.place = func(base uint64, _ []byte) ([]byte, error) {
		return declaration.ReplaceAllFunc(ptx, func(d []byte) []byte {
			v, _ := i.Variable(string(declaration.FindSubmatch(d)[2]))
			return bytes.Replace(d, attribute, fmt.Appendf(nil, ".managed, %d", base+v.At), 1)
		}), nil
	}
	return i, nil
}

func declared(m [][]byte) (Variable, error) {
	v := Variable{Name: string(m[2]), Size: 1, Align: 1}
	for _, k := range kindOf.FindAllSubmatch(m[1], -1) {
		if n, err := strconv.ParseUint(string(k[1]), 10, 8); err == nil {
			v.Size *= n
		} else if n, err := strconv.ParseUint(string(k[2]), 10, 8); err == nil {
			v.Size *= n / 8
		}
	}
	v.Align = max(v.Size, 1)
	if a := alignment.FindSubmatch(m[1]); a != nil {
		v.Align, _ = strconv.ParseUint(string(a[1]), 10, 16)
	}
	for _, l := range lengths.FindAllSubmatch(m[3], -1) {
		n, err := strconv.ParseUint(string(l[1]), 10, 40)
		if err != nil || v.Size*n > maxBytes {
			return v, fmt.Errorf("%w: %s is an array without a length", ErrUnsupported, v.Name)
		}
		v.Size *= n
	}
	if v.Size == 0 {
		return v, fmt.Errorf("%w: %s has no size", ErrUnsupported, v.Name)
	}
	return v, nil
}
