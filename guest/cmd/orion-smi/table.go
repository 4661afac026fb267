// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type column struct {
	head  string
	right bool // aligned
}

// table is text in boxes.
type table struct {
	title   string
	columns []column
	rows    [][]string // a nil row is a rule
	empty   string     // in place of no rows
}

// add appends a row. What programs and nodes call themselves cannot play with the terminal.
func (t *table) add(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return '?'
			}
			return r
		}, c)
	}
	t.rows = append(t.rows, cells)
}

// rule appends a line between groups of rows.
func (t *table) rule() { t.rows = append(t.rows, nil) }

func (t *table) write(b *strings.Builder) {
	rows := t.rows
	for len(rows) > 0 && rows[len(rows)-1] == nil {
		rows = rows[:len(rows)-1]
	}
	widths := t.widths(rows)
	inner := -1
	for _, w := range widths {
		inner += w + 3
	}
	full := "+" + strings.Repeat("-", inner) + "+\n"
	rule := "|"
	for i, w := range widths {
		if i > 0 {
			rule += "+"
		}
		rule += strings.Repeat("-", w+2)
	}
	rule += "|\n"

	b.WriteString(full)
	b.WriteString("| " + pad(t.title, inner-2, false) + " |\n")
	b.WriteString(rule)
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = c.head
	}
	t.writeRow(b, heads, widths)
	b.WriteString(strings.ReplaceAll(rule, "-", "="))
	for _, r := range rows {
		if r == nil {
			b.WriteString(rule)
			continue
		}
		t.writeRow(b, r, widths)
	}
	if len(rows) == 0 {
		b.WriteString("| " + pad(t.empty, inner-2, false) + " |\n")
	}
	b.WriteString(full)
}

// widths fits each column to its cells, and the last one to the lines that span the table.
func (t *table) widths(rows [][]string) []int {
	widths := make([]int, len(t.columns))
	total := -3
	for i, c := range t.columns {
		widths[i] = utf8.RuneCountInString(c.head)
		for _, r := range rows {
			if r != nil {
				widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
			}
		}
		total += widths[i] + 3
	}
	need := utf8.RuneCountInString(t.title)
	if len(rows) == 0 {
		need = max(need, utf8.RuneCountInString(t.empty))
	}
	widths[len(widths)-1] += max(need-total, 0)
	return widths
}

func (t *table) writeRow(b *strings.Builder, cells []string, widths []int) {
	for i, c := range cells {
		b.WriteString("| " + pad(c, widths[i], t.columns[i].right) + " ")
	}
	b.WriteString("|\n")
}

func pad(s string, width int, right bool) string {
	space := strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
	if right {
		return space + s
	}
	return s + space
}
