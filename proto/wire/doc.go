// SPDX-License-Identifier: Apache-2.0

// Package wire defines what a client and a worker share: the handshake that opens a session, the layout of
// the region of shared memory, and the framing of commands and replies in it.
//
// The same constants reach the C side as guest/libcuda/generated/wire.h, which proto/cuda/generate writes from this
// package; nothing is declared twice by hand. All integers are little-endian; both sides are 64-bit.
//
// A region is one file of shared memory (memfd, or a slice of an ivshmem device), mapped at the same
// virtual address by the client and by the worker, so that a pointer into it means the same to both:
//
//	0x0000_0000  Header     written by the host before the client sees the region, constant afterwards
//	0x0000_1000  Ring       head, tail and parked flag of the command ring, a cache line each
//	0x0000_2000  Status     written by the worker: deferred errors, end of the session, host callbacks
//	0x0001_0000  reply slots: one page a waiting thread (SlotSize each)
//	EventsOffset words of events
//	RingOffset   commands   a power of two of bytes
//	StageOffset  staging    transient copies between the program's own memory and the GPU,
//	                        registered with the driver as it is used, in parts of StagePart bytes
//	             heap       pinned host memory of the program, behind StageBytes of staging, to the end
//
// The client owns the allocation of slots, staging and heap; the worker checks only that what a command
// names lies inside. Everything in a region may change at any time by the hand of a hostile client: the
// worker copies, then checks, then uses.
package wire
