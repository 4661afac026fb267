// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"errors"
	"fmt"
)

// Kind says what went wrong in a kernel.
type Kind uint8

// The kinds of faults.
const (
	IllegalAddress Kind = iota + 1
	Misaligned
	IllegalInstruction
	Trap
	Assert
	StackOverflow
	Deadlock
	Killed
	InvalidPC
)

var kindNames = map[Kind]string{IllegalAddress: "illegal memory access", Misaligned: "misaligned address",
	IllegalInstruction: "illegal instruction", Trap: "trap", Assert: "assertion failed",
	StackOverflow: "stack overflow", Deadlock: "threads wait for each other for ever", Killed: "killed",
	InvalidPC: "call of what is no function"}

// Fault is why a launch ended early.
type Fault struct {
	Kind    Kind
	Kernel  string
	Detail  string
	Line    int // of the PTX
	Block   [3]uint32
	Thread  [3]uint32
	Address uint64
}

func (f *Fault) Error() string {
	s := fmt.Sprintf("kernel %s: %s", f.Kernel, kindNames[f.Kind])
	if f.Kind == IllegalAddress || f.Kind == Misaligned {
		s += fmt.Sprintf(" at 0x%x", f.Address)
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s + fmt.Sprintf(" (block %d,%d,%d, thread %d,%d,%d, PTX line %d)", f.Block[0], f.Block[1], f.Block[2],
		f.Thread[0], f.Thread[1], f.Thread[2], f.Line)
}

// ErrUnsupported means that a kernel uses an instruction that this package does not have.
var ErrUnsupported = errors.New("unsupported by the software GPU")

// ErrInvalid means that a kernel is no valid PTX.
var ErrInvalid = errors.New("invalid PTX")

// raise ends the launch with a fault of one lane.
func (w *warp) raise(kind Kind, lane int, addr uint64, detail string) {
	f := &Fault{Kind: kind, Address: addr, Detail: detail}
	w.locate(f, lane)
	panic(f)
}

func (w *warp) locate(f *Fault, lane int) {
	p := w.block.launch.program
	f.Kernel = p.Name
	f.Block = w.block.ctaid
	f.Thread = w.block.thread(w.index*32 + lane)
	if pc := int(w.pc) - 1; pc >= 0 && pc < len(p.lines) {
		f.Line = int(p.lines[pc])
	}
}
