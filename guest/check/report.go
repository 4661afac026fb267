// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Fact is a line of a report's information.
type Fact struct {
	Key   string // in JSON
	Label string // in text
	Value any    // a string, bool, number, or slice of strings
}

// Report is all that was learnt of a machine.
type Report struct {
	Target      string // "client" or "server"
	Host        string
	User        string
	Release     string // of the tool
	Information []Fact
	Findings    []Finding
}

// Status is that of the worst finding.
func (r *Report) Status() Status {
	worst := Pass
	for _, f := range r.Findings {
		worst = max(worst, f.Status)
	}
	return worst
}

func (r *Report) count(s Status) (n int) {
	for _, f := range r.Findings {
		if f.Status == s {
			n++
		}
	}
	return n
}

// WriteText writes the report for people: the information, then a line for each finding, then their numbers.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "orion-check %s: %s on %s, as %s\n\n", r.Release, r.Target, Printable(r.Host), Printable(r.User))
	width := 0
	for _, f := range r.Information {
		width = max(width, utf8.RuneCountInString(f.Label))
	}
	for _, f := range r.Information {
		values, ok := f.Value.([]string)
		if !ok {
			values = []string{text(f.Value)}
		} else if len(values) == 0 {
			values = []string{"none"}
		}
		for i, v := range values {
			label := f.Label
			if i > 0 {
				label = ""
			}
			fmt.Fprintf(&b, "  %-*s  %s\n", width, label, Printable(v))
		}
	}
	b.WriteByte('\n')
	width = 0
	for _, f := range r.Findings {
		width = max(width, len(f.Name))
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s  %-*s  %s", f.Status, width, f.Name, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(&b, " -> %s", f.Remedy)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\n%d failed, %d warned, %d passed\n", r.count(Fail), r.count(Warn), r.count(Pass))
	_, err := io.WriteString(w, b.String())
	return err
}

func text(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		if v == "" {
			return "unknown"
		}
	}
	return fmt.Sprint(v)
}

// WriteJSON writes the report for programs. Keys are only ever added.
func (r *Report) WriteJSON(w io.Writer) error {
	information := map[string]any{}
	for _, f := range r.Information {
		information[f.Key] = f.Value
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Target      string         `json:"target"`
		Host        string         `json:"host"`
		User        string         `json:"user"`
		Release     string         `json:"release"`
		Status      Status         `json:"status"`
		Failed      int            `json:"failed"`
		Warned      int            `json:"warned"`
		Passed      int            `json:"passed"`
		Information map[string]any `json:"information"`
		Checks      []Finding      `json:"checks"`
	}{r.Target, r.Host, r.User, r.Release, r.Status(), r.count(Fail), r.count(Warn), r.count(Pass), information, r.Findings})
}
