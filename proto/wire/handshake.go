// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// HelloSize is the size in bytes of both messages of the handshake.
const HelloSize = 512

// Fields of a hello.
const (
	HelloMagic    = 0x00  // u32
	HelloVersion  = 0x04  // u32
	HelloSpec     = 0x08  // u64
	HelloPID      = 0x10  // u32
	HelloVGPUs    = 0x14  // u32
	HelloGMem     = 0x18  // u32
	HelloRatio    = 0x1c  // u32
	HelloCross    = 0x20  // u32
	HelloCarrier  = 0x24  // u32
	HelloBase     = 0x28  // u64
	HelloProgram  = 0x40  // 128 bytes
	HelloHost     = 0xc0  // 64 bytes
	HelloRelease  = 0x100 // 32 bytes
	HelloProof    = 0x120 // 32 bytes
	HelloOrder    = 0x140 // MaxDevices bytes
	ProgramBytes  = 128
	HostNameBytes = 64
	ReleaseBytes  = 32
	ProofBytes    = 32
)

// Carriers: how commands and the region's memory come to the client.
const (
	CarrierMemory = 0 // the region's descriptor comes with the welcome, by a unix socket
	CarrierDevice = 1 // the region is a slice of the domain's ivshmem device; the proof is the device's nonce
	CarrierStream = 2 // no shared memory: commands and memory travel on the connection of the handshake
)

// Fields of a welcome.
const (
	WelcomeMagic    = 0x00  // u32
	WelcomeVersion  = 0x04  // u32
	WelcomeSpec     = 0x08  // u64
	WelcomeStatus   = 0x10  // u32
	WelcomeDevices  = 0x14  // u32
	WelcomeSize     = 0x18  // u64
	WelcomeBase     = 0x20  // u64
	WelcomeOffset   = 0x28  // u64
	WelcomeSession  = 0x40  // 32 bytes
	WelcomeMessage  = 0x60  // 256 bytes
	WelcomeRelease  = 0x160 // 32 bytes
	SessionBytes    = 32
	WelcomeMsgBytes = 256
)

// Hello is the first message of a client: who it is and what it wants.
type Hello struct {
	Version uint32 // Version of this package on the client's side
	Spec    uint64 // hash of the driver specification that the client was built from
	PID     uint32
	VGPUs   uint32
	GMemMiB uint32 // per vGPU; 0: the server's default share
	Ratio   uint32 // percent of a GPU's compute per vGPU; 0: the server's default share
	Cross   bool   // vGPUs may lie on several nodes
	Carrier uint32 // how the client wants to reach the region: Carrier...
	Base    uint64 // where the client can map the region
	Program string
	Host    string
	Release string           // the client's release, for messages
	Proof   [ProofBytes]byte // for CarrierDevice: the nonce that the client has read from the device
	// Order is in which order CUDA shows the vGPUs: 1 + the place of each in the lease, until a 0. Others follow.
	Order [MaxDevices]byte
}

// Welcome answers a Hello. With Status 0 and CarrierMemory the region's file descriptor accompanies it.
type Welcome struct {
	Version uint32
	Spec    uint64
	Status  uint32 // CUresult that the client's cuInit returns
	Devices uint32
	Size    uint64 // bytes of the region
	Base    uint64
	Offset  uint64 // of the region in the device, for CarrierDevice
	Session string
	Message string // why Status is not 0, in words for the user
	Release string
}

// MarshalBinary encodes h; strings that do not fit are cut.
func (h *Hello) MarshalBinary() ([]byte, error) {
	b := make([]byte, HelloSize)
	le := binary.LittleEndian
	le.PutUint32(b[HelloMagic:], Magic)
	le.PutUint32(b[HelloVersion:], h.Version)
	le.PutUint64(b[HelloSpec:], h.Spec)
	le.PutUint32(b[HelloPID:], h.PID)
	le.PutUint32(b[HelloVGPUs:], h.VGPUs)
	le.PutUint32(b[HelloGMem:], h.GMemMiB)
	le.PutUint32(b[HelloRatio:], h.Ratio)
	if h.Cross {
		le.PutUint32(b[HelloCross:], 1)
	}
	le.PutUint32(b[HelloCarrier:], h.Carrier)
	le.PutUint64(b[HelloBase:], h.Base)
	putString(b[HelloProgram:], h.Program, ProgramBytes)
	putString(b[HelloHost:], h.Host, HostNameBytes)
	putString(b[HelloRelease:], h.Release, ReleaseBytes)
	copy(b[HelloProof:], h.Proof[:])
	copy(b[HelloOrder:], h.Order[:])
	return b, nil
}

// UnmarshalBinary decodes a hello of HelloSize bytes. Only the magic number is checked, so that the caller
// can answer another version in words.
func (h *Hello) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) != HelloSize {
		return fmt.Errorf("decode hello: %d bytes instead of %d", len(b), HelloSize)
	}
	if m := le.Uint32(b[HelloMagic:]); m != Magic {
		return fmt.Errorf("decode hello: magic number %#x instead of %#x: the peer is not an Orion client", m, uint32(Magic))
	}
	*h = Hello{
		Version: le.Uint32(b[HelloVersion:]), Spec: le.Uint64(b[HelloSpec:]), PID: le.Uint32(b[HelloPID:]),
		VGPUs: le.Uint32(b[HelloVGPUs:]), GMemMiB: le.Uint32(b[HelloGMem:]), Ratio: le.Uint32(b[HelloRatio:]),
		Cross: le.Uint32(b[HelloCross:]) != 0, Carrier: le.Uint32(b[HelloCarrier:]), Base: le.Uint64(b[HelloBase:]),
		Program: getString(b[HelloProgram:], ProgramBytes), Host: getString(b[HelloHost:], HostNameBytes),
		Release: getString(b[HelloRelease:], ReleaseBytes),
		Proof:   [ProofBytes]byte(b[HelloProof : HelloProof+ProofBytes]),
		Order:   [MaxDevices]byte(b[HelloOrder : HelloOrder+MaxDevices]),
	}
	return nil
}

// MarshalBinary encodes w; strings that do not fit are cut.
func (w *Welcome) MarshalBinary() ([]byte, error) {
	b := make([]byte, HelloSize)
	le := binary.LittleEndian
	le.PutUint32(b[WelcomeMagic:], Magic)
	le.PutUint32(b[WelcomeVersion:], w.Version)
	le.PutUint64(b[WelcomeSpec:], w.Spec)
	le.PutUint32(b[WelcomeStatus:], w.Status)
	le.PutUint32(b[WelcomeDevices:], w.Devices)
	le.PutUint64(b[WelcomeSize:], w.Size)
	le.PutUint64(b[WelcomeBase:], w.Base)
	le.PutUint64(b[WelcomeOffset:], w.Offset)
	putString(b[WelcomeSession:], w.Session, SessionBytes)
	putString(b[WelcomeMessage:], w.Message, WelcomeMsgBytes)
	putString(b[WelcomeRelease:], w.Release, ReleaseBytes)
	return b, nil
}

// UnmarshalBinary decodes a welcome.
func (w *Welcome) UnmarshalBinary(b []byte) error {
	le := binary.LittleEndian
	if len(b) != HelloSize {
		return fmt.Errorf("decode welcome: %d bytes instead of %d", len(b), HelloSize)
	}
	if m := le.Uint32(b[WelcomeMagic:]); m != Magic {
		return fmt.Errorf("decode welcome: magic number %#x instead of %#x: the peer is not oriond", m, uint32(Magic))
	}
	*w = Welcome{
		Version: le.Uint32(b[WelcomeVersion:]), Spec: le.Uint64(b[WelcomeSpec:]), Status: le.Uint32(b[WelcomeStatus:]),
		Devices: le.Uint32(b[WelcomeDevices:]), Size: le.Uint64(b[WelcomeSize:]), Base: le.Uint64(b[WelcomeBase:]),
		Offset:  le.Uint64(b[WelcomeOffset:]),
		Session: getString(b[WelcomeSession:], SessionBytes), Message: getString(b[WelcomeMessage:], WelcomeMsgBytes),
		Release: getString(b[WelcomeRelease:], ReleaseBytes),
	}
	return nil
}

func putString(b []byte, s string, room int) { copy(b[:room-1], s) }

func getString(b []byte, room int) string {
	b = b[:room]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
