// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"slices"

	"golang.org/x/sys/unix"
)

// vacancies are the addresses, chosen by the client, at which memory of its own was mapped and is no more. They stay
// taken, without access, until the client has memory mapped there again: a copy in a graph may still go there, and must
// not find what this process would have come to keep there.
type vacancies struct {
	spans []span // ascending, apart from one another
}

// span is a range of addresses.
type span struct{ from, to uint64 }

const fixedNoReplace = 0x100000 // MAP_FIXED_NOREPLACE

// take makes n bytes at an address the caller's to map over, if nothing else lies there.
func (v *vacancies) take(at, n uint64) bool {
	const page, lowest, highest = 4096, 1 << 16, 1<<47 - 4096
	if at%page != 0 || n%page != 0 || n == 0 || at < lowest || at > highest || n > highest-at {
		return false
	}
	gaps := v.gaps(span{at, at + n})
	for i, g := range gaps {
		if !reserve(g, fixedNoReplace) {
			for _, g := range gaps[:i] {
				unmap(g.from, g.to-g.from)
			}
			return false
		}
	}
	var rest []span
	for _, s := range v.spans {
		for _, part := range []span{{s.from, min(s.to, at)}, {max(s.from, at+n), s.to}} {
			if part.from < part.to {
				rest = append(rest, part)
			}
		}
	}
	v.spans = rest
	return true
}

// gaps are the parts of a range that are not vacant.
func (v *vacancies) gaps(r span) (list []span) {
	for _, s := range v.spans {
		if s.to <= r.from || s.from >= r.to {
			continue
		}
		if r.from < s.from {
			list = append(list, span{r.from, s.from})
		}
		r.from = s.to
	}
	if r.from < r.to {
		list = append(list, r)
	}
	return list
}

// leave takes away what is mapped at an address. Where the system has no more mappings to give, what was there stays,
// which is the client's.
func (v *vacancies) leave(at, n uint64) {
	new := span{at, at + n}
	reserve(new, unix.MAP_FIXED)
	i, _ := slices.BinarySearchFunc(v.spans, at, func(s span, at uint64) int {
		if s.from < at {
			return -1
		}
		return 1
	})
	if i > 0 && v.spans[i-1].to == new.from {
		i--
		new.from = v.spans[i].from
		v.spans = slices.Delete(v.spans, i, i+1)
	}
	if i < len(v.spans) && v.spans[i].from == new.to {
		new.to = v.spans[i].to
		v.spans = slices.Delete(v.spans, i, i+1)
	}
	v.spans = slices.Insert(v.spans, i, new)
}

// reserve maps a range without access, and nowhere else.
func reserve(s span, how uintptr) bool {
	p, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(s.from), uintptr(s.to-s.from), unix.PROT_NONE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|how, ^uintptr(0), 0)
	if errno == 0 && uint64(p) != s.from { // before Linux 4.17
		unmap(uint64(p), s.to-s.from)
	}
	return errno == 0 && uint64(p) == s.from
}
