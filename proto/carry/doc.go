// SPDX-License-Identifier: Apache-2.0

// Package carry is the language in which a relay and a worker keep two regions alike over a stream of bytes: a
// vsock or TCP connection, on which hello and welcome have gone before.
//
// The client has a region that the relay made, the worker has one that oriond made, of the same size and mapped
// at the same address. Whatever one side stores in its region and the other is to see travels as a frame, and
// is stored there. The ring lies at the same positions in both, so that the client's own bound on what is
// under way bounds what the worker receives: neither side's receiver ever waits for room, and what the client
// answers to a host function gets through however full the ring is.
//
// Frames are applied in the order of the stream. That gives the guarantees, all of them those of CUDA:
//
//   - Memory that a command reads comes before the command.
//   - Memory that a command writes comes before the answer that promises it: its own, or that of a command that
//     waits for its stream. The same goes for deferred errors and for what kernels print.
//   - Memory that kernels reach by themselves, by pinned or managed addresses, has twins (package twin). What the
//     host has written comes before the next command, and what kernels have written before the next answer. While
//     a kernel runs, words that host and kernel signal to each other travel within milliseconds. Several words
//     written one after the other may then arrive in any order: protocols of data and flag between a running
//     kernel and the host need shared memory.
//   - A pinned address that a kernel is not given, but finds in memory that came through staging, is not noticed,
//     unless the memory was allocated managed or mapped.
//
// A frame is a header of HeaderSize bytes, a kind (u8), three bytes of 0, the payload's length (u32), an
// argument (u64), and the payload of at most MaxPayload bytes. All is little-endian. What the protocol does not
// allow ends the connection. The handshake has made sure that both sides are of one release.
package carry
