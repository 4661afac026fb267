// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"encoding/binary"
	"fmt"

	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// builtin is a function of the CUDA device runtime. It runs for one lane: args are its arguments, in words of 8 bytes of
// which an argument takes as many as it needs, and what it returns goes into the caller's return value.
type builtin func(w *warp, lane int, args []uint64) uint64

// maxWords is how many words a builtin's arguments may take; it is given as many.
const maxWords = 8

var builtins = map[string]builtin{"vprintf": printf, "malloc": deviceMalloc, "free": deviceFree, "__assertfail": assertFail,
	"cudaGraphSetConditional": setCondition}

// Builtin says whether a function of the device runtime is there under a name.
func Builtin(name string) bool { return builtins[name] != nil }

func execBuiltin(w *warp, in *instr) {
	site := in.x.(*callSite)
	for lane := range 32 {
		if w.mask>>lane&1 == 0 {
			continue
		}
		local := w.localMemory(lane)[w.frame.local:]
		args := make([]uint64, 0, maxWords)
		for _, p := range site.args {
			for at := 0; at < p.size; at += 8 {
				var b [8]byte
				copy(b[:], local[p.offset+at:p.offset+min(at+8, p.size)])
				args = append(args, binary.LittleEndian.Uint64(b[:]))
			}
		}
		args = args[:maxWords]
		v := site.builtin(w, lane, args)
		if len(site.returns) > 0 {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], v)
			r := site.returns[0]
			copy(local[r.offset:r.offset+r.size], b[:])
		}
	}
}

// genericBytes returns the memory from a generic address to the end of what is live there.
func (w *warp) genericBytes(lane int, addr uint64) []byte {
	l := w.block.launch
	off := addr & offsetMask
	var b []byte
	switch addr >> windowBits << windowBits {
	case sharedWindow:
		b = w.block.shared
	case localWindow:
		b = w.localMemory(lane)
	case paramWindow:
		b = l.Params
	default:
		r, ok := l.Machine.Space.Find(addr)
		if !ok {
			w.raise(IllegalAddress, lane, addr, "")
		}
		return mem.Bytes(addr, r.Hi-addr)
	}
	if off >= uint64(len(b)) {
		w.raise(IllegalAddress, lane, addr, "")
	}
	return b[off:]
}

const maxText = 64 << 10

// text reads a string of a kernel.
func (w *warp) text(lane int, addr uint64) string {
	if addr == 0 {
		return "(null)"
	}
	b := w.genericBytes(lane, addr)
	for i, c := range b[:min(len(b), maxText)] {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b[:min(len(b), maxText)])
}

func printf(w *warp, lane int, args []uint64) uint64 {
	format := w.text(lane, args[0])
	var values []byte
	if args[1] != 0 {
		values = w.genericBytes(lane, args[1])
	}
	out, n := appendFormat(nil, format, values, func(addr uint64) string { return w.text(lane, addr) })
	if p := w.block.launch.Machine.Print; p != nil {
		p(out)
	}
	return uint64(uint32(n))
}

func deviceMalloc(w *warp, _ int, args []uint64) uint64 {
	if w.block.launch.Machine.Alloc == nil {
		return 0
	}
	return w.block.launch.Machine.Alloc(args[0])
}

func setCondition(w *warp, lane int, args []uint64) uint64 {
	if f := w.block.launch.Machine.SetCondition; f == nil || !f(args[0], uint32(args[1])) {
		w.raise(IllegalAddress, lane, args[0], "no condition has this handle")
	}
	return 0
}

func deviceFree(w *warp, lane int, args []uint64) uint64 {
	if args[0] == 0 {
		return 0
	}
	if f := w.block.launch.Machine.Free; f == nil || !f(args[0]) {
		w.raise(IllegalAddress, lane, args[0], "free of what malloc did not return")
	}
	clear(w.caches)
	return 0
}

// assertFail takes message, file, line, function and character size.
func assertFail(w *warp, lane int, args []uint64) uint64 {
	b := w.block
	t := b.thread(w.index*32 + lane)
	s := fmt.Sprintf("%s:%d: %s: block: [%d,%d,%d], thread: [%d,%d,%d] Assertion `%s` failed.\n", w.text(lane, args[1]),
		uint32(args[2]), w.text(lane, args[3]), b.ctaid[0], b.ctaid[1], b.ctaid[2], t[0], t[1], t[2], w.text(lane, args[0]))
	m := b.launch.Machine
	if m.PrintError != nil {
		m.PrintError([]byte(s))
	} else if m.Print != nil {
		m.Print([]byte(s))
	}
	w.raise(Assert, lane, 0, w.text(lane, args[0]))
	return 0
}
