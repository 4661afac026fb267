// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()
	findings := Run([]Check[int]{
		{"small", "make it smaller", func(n int) Finding {
			if n > 1 {
				return Failed("%d is more than 1", n)
			}
			return Passed("%d", n).By("never shown")
		}},
		{"even", "add one", func(n int) Finding { return Warned("evil\x1b[2J\nname").By("add three") }},
		{"there", "", func(int) Finding { return Passed("yes") }},
	}, 3)
	want := []Finding{
		{"small", Fail, "3 is more than 1", "make it smaller"},
		{"even", Warn, "evil?[2J name", "add three"},
		{"there", Pass, "yes", ""},
	}
	for i := range want {
		if findings[i] != want[i] {
			t.Errorf("got %+v, want %+v", findings[i], want[i])
		}
	}

	r := &Report{Target: "client", Host: "h", User: "u", Release: "1", Findings: findings,
		Information: []Fact{{"a", "A label", "x\n"}, {"b", "B", []string{"1", "2"}}, {"c", "C", []string(nil)}, {"d", "D", true}, {"e", "E", ""}, {"f", "F", 7}}}
	if r.Status() != Fail {
		t.Errorf("the report is %v", r.Status())
	}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const text = `orion-check 1: client on h, as u

  A label  x
  B        1
           2
  C        none
  D        yes
  E        unknown
  F        7

FAIL  small  3 is more than 1 -> make it smaller
WARN  even   evil?[2J name -> add three
PASS  there  yes

1 failed, 1 warned, 1 passed
`
	if b.String() != text {
		t.Errorf("got\n%swant\n%s", b.String(), text)
	}
	b.Reset()
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Status      string
		Failed      int
		Information map[string]any
		Checks      []struct{ Name, Status, Detail, Remedy string }
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "FAIL" || got.Failed != 1 || got.Information["f"] != 7.0 || got.Checks[1].Status != "WARN" || got.Checks[1].Remedy != "add three" {
		t.Errorf("got %s", b.String())
	}
}
