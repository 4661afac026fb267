// SPDX-License-Identifier: Apache-2.0

// Package ptx reads PTX, the assembly language in which nvcc ships portable kernels, into a syntax tree.
//
// It knows the grammar, not the instructions: what an opcode means is the business of package simt. Input is
// hostile: every size is bounded, and Parse returns an error with a line number for what it cannot read.
package ptx
