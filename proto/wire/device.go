// SPDX-License-Identifier: Apache-2.0

package wire

// A domain, which is a virtual machine that has opted in, has one ivshmem device. Its first page is for
// oriond to speak to the guest; the rest is cut into slices, each the region of one client process.
//
// A client reads the nonce and sends it with its hello: only who can read the device of a domain can claim a
// slice of it, however the hello travels. A nonce serves once. A client that came too late with it is refused
// with CUDA_ERROR_NOT_READY and reads the next.
//
// Guests may write to the page. oriond writes it and believes nothing that it reads from it.
const (
	DomMagic   = 0x00 // u64, DeviceMagic
	DomVersion = 0x08 // u32, Version
	DomPort    = 0x0c // u32, oriond's data port for vsock and TCP; 0: none
	DomNonce   = 0x40 // NonceBytes
	DomAddress = 0x80 // address at which the guest reaches oriond by TCP, NUL-ended; empty: its default gateway

	NonceBytes      = 32
	DomAddressBytes = 64
	SliceOffset     = 0x10000 // where slices begin

	DeviceMagic = 0x5356494E4F49524F // "ORIONIVS"
)
