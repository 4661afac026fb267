// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"strings"
	"unicode"
)

// Status is how bad a finding is.
type Status int

// In rising order.
const (
	Pass Status = iota
	Warn        // programs may run, but not as well, or not for long
	Fail        // programs cannot run
)

func (s Status) String() string { return [...]string{"PASS", "WARN", "FAIL"}[s] }

// MarshalText encodes the status as its name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is what a check found.
type Finding struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"` // the command that mends it, or what to do
}

// Passed makes a finding that all is well.
func Passed(format string, args ...any) Finding {
	return Finding{Status: Pass, Detail: fmt.Sprintf(format, args...)}
}

// Warned makes a finding that something could be better.
func Warned(format string, args ...any) Finding {
	return Finding{Status: Warn, Detail: fmt.Sprintf(format, args...)}
}

// Failed makes a finding that programs cannot run.
func Failed(format string, args ...any) Finding {
	return Finding{Status: Fail, Detail: fmt.Sprintf(format, args...)}
}

// By returns the finding with another remedy than its check's.
func (f Finding) By(format string, args ...any) Finding {
	f.Remedy = fmt.Sprintf(format, args...)
	return f
}

// Check judges one thing by the facts F.
type Check[F any] struct {
	Name   string
	Remedy string          // of findings that do not pass and name none
	Judge  func(F) Finding // its Name is set by Run
}

// Run judges facts by all checks, in their order.
func Run[F any](checks []Check[F], facts F) []Finding {
	findings := make([]Finding, len(checks))
	for i, c := range checks {
		f := c.Judge(facts)
		f.Name = c.Name
		switch {
		case f.Status == Pass:
			f.Remedy = ""
		case f.Remedy == "":
			f.Remedy = c.Remedy
		}
		f.Detail, f.Remedy = Printable(f.Detail), Printable(f.Remedy)
		findings[i] = f
	}
	return findings
}

// Printable makes one line of a text, and keeps what others call themselves from playing with the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.TrimSpace(s))
}
