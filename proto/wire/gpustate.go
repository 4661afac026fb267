// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"
)

// GPUState is what a GPU does now, by all that it runs, as the command gpu_state returns it: in this order,
// GPUStateSize bytes. A number that is not known is GPUUnknown.
type GPUState struct {
	Busy              uint32 // percent of the time with a kernel running
	MemoryBusy        uint32 // percent of the time with memory read or written
	Temperature       uint32 // degrees Celsius
	Power             uint32 // milliwatts
	PowerLimit        uint32 // milliwatts, as set
	EnforcedLimit     uint32 // milliwatts, the least of all limits
	ClockGraphics     uint32 // MHz, as are the other clocks
	ClockSM           uint32
	ClockMemory       uint32
	ClockVideo        uint32
	Performance       uint32 // P-state, 0 is the fastest
	LinkGeneration    uint32 // of PCI Express
	LinkWidth         uint32
	MaxLinkGeneration uint32
	MaxLinkWidth      uint32
	Brand             uint32 // nvmlBrandType_t
	Persistent        uint32 // 1: the driver stays loaded without programs
	_                 uint32
	Energy            uint64               // millijoules since the driver was loaded; all ones where unknown
	Branch            [GPUBranchBytes]byte // of the driver's releases, NUL-ended; empty where unknown
	Driver            [GPUDriverBytes]byte // the driver's version, NUL-ended
}

// Layout of a GPUState.
const (
	GPUStateSize   = 128
	GPUBranchBytes = 16
	GPUDriverBytes = 32
	GPUUnknown     = 0xFFFFFFFF
)

// UnknownState knows nothing but the driver's version, which is cut if it is too long.
func UnknownState(driver string) GPUState {
	const u = GPUUnknown
	s := GPUState{u, u, u, u, u, u, u, u, u, u, u, u, u, u, u, u, u, 0, ^uint64(0), [GPUBranchBytes]byte{}, [GPUDriverBytes]byte{}}
	copy(s.Driver[:GPUDriverBytes-1], driver)
	return s
}

// SetBranch names the branch of the driver's releases; it is cut if it is too long.
func (s *GPUState) SetBranch(branch string) { copy(s.Branch[:GPUBranchBytes-1], branch) }

// MarshalBinary encodes s.
func (s GPUState) MarshalBinary() ([]byte, error) {
	b := make([]byte, GPUStateSize)
	if n, err := binary.Encode(b, binary.LittleEndian, s); err != nil || n != len(b) {
		return nil, fmt.Errorf("encode the state of a GPU: %d bytes, %w", n, err)
	}
	return b, nil
}
