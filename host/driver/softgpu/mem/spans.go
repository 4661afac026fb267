// SPDX-License-Identifier: Apache-2.0

package mem

import "slices"

type span struct{ lo, hi uint64 }

// Spans is free address space: in order, and never adjacent.
type Spans []span

// whole is what n bytes take of it.
func whole(n uint64) uint64 { return (n + Granularity - 1) &^ (Granularity - 1) }

// Take removes n bytes from the first span that has as many.
func (s *Spans) Take(n uint64) (lo uint64, ok bool) {
	n = whole(n)
	i := slices.IndexFunc(*s, func(f span) bool { return f.hi-f.lo >= n })
	if i < 0 {
		return 0, false
	}
	lo = (*s)[i].lo
	s.take(i, lo, lo+n)
	return lo, true
}

// take removes [lo, hi) from span i, which holds it.
func (s *Spans) take(i int, lo, hi uint64) {
	list := *s
	switch f := list[i]; {
	case f.lo == lo && f.hi == hi:
		*s = slices.Delete(list, i, i+1)
	case f.lo == lo:
		list[i].lo = hi
	case f.hi == hi:
		list[i].hi = lo
	default:
		list[i].hi = lo
		*s = slices.Insert(list, i+1, span{hi, f.hi})
	}
}

// Give adds n bytes that were taken, and joins them with their neighbours.
func (s *Spans) Give(lo, n uint64) {
	f := span{lo, lo + whole(n)}
	i, _ := slices.BinarySearchFunc(*s, lo, func(f span, lo uint64) int {
		if f.lo < lo {
			return -1
		}
		return 1
	})
	list := slices.Insert(*s, i, f)
	if i+1 < len(list) && list[i].hi == list[i+1].lo {
		list[i].hi = list[i+1].hi
		list = slices.Delete(list, i+1, i+2)
	}
	if i > 0 && list[i-1].hi == list[i].lo {
		list[i-1].hi = list[i].hi
		list = slices.Delete(list, i, i+1)
	}
	*s = list
}

// Bytes is their sum.
func (s Spans) Bytes() (n uint64) {
	for _, f := range s {
		n += f.hi - f.lo
	}
	return n
}
