// SPDX-License-Identifier: Apache-2.0

// Package keyfiletest holds the documentation of configuration files to what the programs read.
package keyfiletest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/keyfile"
)

// Documented fails the test unless the page has, under the heading "## file", exactly the schema's keys
// with their defaults: table rows "| `[section] key` | `default` | ...".
func Documented(t *testing.T, s *keyfile.Schema, page, file string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, ok := strings.Cut(string(text), "\n## "+file+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", page, "## "+file)
	}
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	var have, want []string
	for line := range strings.Lines(chapter) {
		if strings.HasPrefix(line, "| `[") {
			cells := strings.SplitN(line, "|", 4)
			have = append(have, strings.TrimSpace(cells[1])+" "+strings.TrimSpace(cells[2]))
		}
	}
	for _, k := range s.Keys() {
		value := ""
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		want = append(want, fmt.Sprintf("`[%s] %s` %s", k.Section, k.Name, value))
		if k.Env != "" && !strings.Contains(chapter, "`"+k.Env+"`") {
			t.Errorf("%s does not name %s, which overrules [%s] %s", page, k.Env, k.Section, k.Name)
		}
	}
	for _, w := range want {
		if !slices.Contains(have, w) {
			t.Errorf("%s, %s: lacks the row %s", page, file, w)
		}
	}
	for _, h := range have {
		if !slices.Contains(want, h) {
			t.Errorf("%s, %s: has the row %s, which no program reads so", page, file, h)
		}
	}
}
