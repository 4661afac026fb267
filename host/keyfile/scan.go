// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// line is a section's head (key empty) or an assignment, and where it stands.
type line struct {
	number       int // from 1
	section, key string
}

// scan finds the lines of sections and keys, which ini.v1 does not tell, and refuses what is not plain:
// anything but comments, [section] and key = value, and keys that are set twice.
func scan(path string, text []byte) ([]line, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("%s: it is not a text file in UTF-8", path)
	}
	var lines []line
	section := ""
	first := map[[2]string]int{}
	for i, raw := range strings.Split(string(text), "\n") {
		n, s := i+1, strings.TrimSpace(raw)
		switch {
		case s == "" || s[0] == '#' || s[0] == ';':
		case s[0] == '[':
			name, rest, ok := strings.Cut(s[1:], "]")
			rest = strings.TrimSpace(rest)
			name = strings.TrimSpace(name)
			if !ok || name == "" || rest != "" && rest[0] != '#' && rest[0] != ';' {
				return nil, fmt.Errorf("%s:%d: %q: a section is written as [name]", path, n, s)
			}
			section = name
			lines = append(lines, line{n, section, ""})
		default:
			key, value, ok := strings.Cut(s, "=")
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			if !ok || !plainKey(key) {
				return nil, fmt.Errorf("%s:%d: %q: want key = value, [section], or a comment that begins with #", path, n, s)
			}
			if section == "" {
				return nil, fmt.Errorf("%s:%d: %s stands before any section; put a line such as [log] above it", path, n, key)
			}
			if strings.HasPrefix(value, `"""`) || strings.HasPrefix(value, "`") {
				return nil, fmt.Errorf("%s:%d: [%s] %s: values that span lines are not known here; quote with \" or not at all", path, n, section, key)
			}
			id := [2]string{section, key}
			if at := first[id]; at != 0 {
				return nil, fmt.Errorf("%s:%d: [%s] %s is set twice, first on line %d; remove one", path, n, section, key, at)
			}
			first[id] = n
			lines = append(lines, line{n, section, key})
		}
	}
	return lines, nil
}

// plainKey allows what the names of keys are made of: letters, digits, underscore, hyphen.
func plainKey(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}) < 0
}

func contains(names []string, s string) bool { return slices.Contains(names, s) }

// suggest returns "; did you mean X?" for the nearest of the names, or nothing where none is near.
func suggest(word string, names []string, format string) string {
	best, least := "", 1+max(len(word), 3)/3
	for _, name := range names {
		if d := distance(strings.ToLower(word), name); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return fmt.Sprintf("; known are %s", strings.Join(names, ", "))
	}
	return "; did you mean " + fmt.Sprintf(format, best) + "?"
}

// distance is Levenshtein's, in bytes, of words of bounded length.
func distance(a, b string) int {
	if len(a) > 64 {
		a = a[:64]
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
