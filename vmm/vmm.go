// SPDX-License-Identifier: Apache-2.0

// Package vmm is what the rest of oriond knows of virtual machines: which of them opted in to vGPUs, and the
// slices that their programs have of the memory that they share with the host.
package vmm

import (
	"errors"
	"os"
)

// ErrStaleNonce says that no domain has this nonce: it was used up or written anew since the client read it.
// The client reads it again and repeats its claim.
var ErrStaleNonce = errors.New("the nonce is stale: read it again")

// ErrGone says that a domain has ended, or has lost its device.
var ErrGone = errors.New("the virtual machine has ended")

// Domains knows the virtual machines that have a region. It is safe for concurrent use.
type Domains interface {
	// Claim takes a slice for a client that proved to read the nonce of a domain's region. cid is the vsock
	// address of the peer, 0 for TCP. The nonce is used up by success. ErrStaleNonce: read it again.
	Claim(nonce [32]byte, cid uint32) (Slice, error)

	// Adopt takes the slice of a session that an earlier oriond started. ErrGone: the domain has ended.
	Adopt(domain string, offset, size uint64) (Slice, error)

	// Known says whether cid belongs to a domain that opted in, and its name.
	Known(cid uint32) (name string, ok bool)
}

// Slice is the part of a domain's region that one client process has.
type Slice interface {
	// Domain names the virtual machine.
	Domain() string

	// File is the region's, all of it. It stays open until Release; who needs it longer duplicates it.
	File() *os.File

	// Offset and Size say where in the file the slice lies, in bytes.
	Offset() uint64
	Size() uint64

	// Ended says whether the machine has ended, rebooted, or is losing its device since the slice was taken: who
	// listed his session too late for EndDomain to find it learns it here.
	Ended() bool

	// Release gives the slice back, and what was in it to nobody: it reads as zeros from then on. Nobody may
	// map it any more. A second call does nothing.
	Release()
}
