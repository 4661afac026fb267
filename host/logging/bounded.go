// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"fmt"
	"io"
)

// Bounded is a log of bounded size for lines that somebody else may cause as often as they like: what does not fit is
// left out, and that it is said once. It belongs to one logger, which writes a line at a time.
type Bounded struct {
	w    io.Writer
	left int
	full bool
}

// NewBounded returns a log on w of at most n bytes.
func NewBounded(w io.Writer, n int) *Bounded { return &Bounded{w: w, left: n} }

// Write writes a line, or leaves it out.
func (b *Bounded) Write(line []byte) (int, error) {
	if b.full {
		return len(line), nil
	}
	if len(line) > b.left {
		b.full = true
		_, err := fmt.Fprintln(b.w, "the log is full: what follows is left out")
		return len(line), err
	}
	b.left -= len(line)
	return b.w.Write(line)
}
