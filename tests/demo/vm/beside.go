// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// beside puts two texts side by side.
func beside(left, right string) string {
	l := strings.Split(strings.TrimRight(left, "\n"), "\n")
	r := strings.Split(strings.TrimRight(right, "\n"), "\n")
	width := 0
	for _, line := range l {
		width = max(width, utf8.RuneCountInString(line))
	}
	var out strings.Builder
	for i := range max(len(l), len(r)) {
		var a, b string
		if i < len(l) {
			a = l[i]
		}
		if i < len(r) {
			b = r[i]
		}
		pad := strings.Repeat(" ", width-utf8.RuneCountInString(a))
		fmt.Fprintln(&out, strings.TrimRight(a+pad+" | "+b, " "))
	}
	return out.String()
}
