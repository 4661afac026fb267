// SPDX-License-Identifier: Apache-2.0

// Package softgpu is the driver backend that needs no GPU: contexts, memory, streams, events, modules and
// graphs of the CUDA driver interface, with kernels run from their PTX.
//
// Its rooms: fatbin finds the PTX in an image, ptx reads it, simt runs it, mem is the memory that it runs on,
// texture what its texture units do. This package itself is the driver around them: what a call means, in which
// order work happens (stream.go), and what a fault does to a context (context.go).
//
// It is honest: a function, an instruction or a module without PTX that it cannot serve is an error with a
// name in the log, never a wrong answer.
package softgpu
