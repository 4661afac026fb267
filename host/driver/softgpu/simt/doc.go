// SPDX-License-Identifier: Apache-2.0

// Package simt runs PTX kernels: single instruction, multiple threads.
//
// A Module lays out the symbols of a PTX unit. Link turns one of its kernels and all functions that it can
// reach into a Program: a flat list of decoded instructions whose operands are slots of a register file.
// Launch runs a Program over a grid.
//
// A warp executes an instruction once for its 32 lanes. A slot holds one 64-bit word a lane; narrower values
// are kept zero-extended, which is the invariant that every instruction relies on and keeps. Predicates are
// one bit a lane.
//
// Lanes that part at a branch form splits, each with a program counter and a mask. The deepest call and then
// the lowest counter runs first, and splits that meet at one counter join. Code is laid out so that a loop's
// body comes before what follows the loop and both arms of a branch before their join, which makes meeting
// the rule. No order is ever needed for correctness: a split that spins gives way to the others after a
// while, and instructions that need several lanes wait for them.
//
// Blocks run one after another on a few goroutines. Where one spins for long another begins beside it, as long as
// both fit into a GPU, which would run them at once: it may be what the first waits for.
//
// Kernels are hostile. Each access is checked against live memory; a fault ends the launch.
package simt
