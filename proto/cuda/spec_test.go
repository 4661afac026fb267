// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"strings"
	"testing"
)

func TestSpecificationLoads(t *testing.T) {
	t.Parallel()
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*Func{}
	for _, f := range all {
		byName[f.Symbol] = f
	}
	for _, f := range all {
		if f.Mode == Alias && byName[f.Target] == nil {
			t.Errorf("%s is an alias of %q, which is not declared", f.Symbol, f.Target)
		}
		if f.Mode == Absent && f.Reason == "" {
			t.Errorf("%s is absent without a reason", f.Symbol)
		}
		for _, p := range f.Params {
			if p.Dir == "new" && p.Len != "" {
				t.Errorf("%s mints an array of handles", f.Symbol)
			}
		}
	}
}

func TestParseErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"nonsense", "call cuX 1 (a b c d)", "fly cuX 1 ()", "call cuX 1 (x unknown)"} {
		if _, err := parseLine(line); err == nil || !strings.Contains(err.Error(), "parse") && !strings.Contains(err.Error(), "unknown") {
			t.Errorf("parse %q: %v", line, err)
		}
	}
}
