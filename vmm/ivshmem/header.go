// SPDX-License-Identifier: Apache-2.0

package ivshmem

import (
	"encoding/binary"
	"fmt"

	"github.com/orion-vgpu/orion/proto/wire"
)

// Header is what oriond tells the guest in page 0.
type Header struct {
	Port    uint16 // of oriond, for vsock and TCP; 0: none
	Nonce   [wire.NonceBytes]byte
	Address string // of oriond for TCP, an IP address; empty: the guest's default gateway
}

// encode returns the header up to the end of its last field.
func (h Header) encode() ([]byte, error) {
	if len(h.Address) >= wire.DomAddressBytes {
		return nil, fmt.Errorf("write device header: address %q has more than %d bytes", h.Address, wire.DomAddressBytes-1)
	}
	b := make([]byte, wire.DomAddress+wire.DomAddressBytes)
	binary.LittleEndian.PutUint64(b[wire.DomMagic:], wire.DeviceMagic)
	binary.LittleEndian.PutUint32(b[wire.DomVersion:], wire.Version)
	binary.LittleEndian.PutUint32(b[wire.DomPort:], uint32(h.Port))
	copy(b[wire.DomNonce:], h.Nonce[:])
	copy(b[wire.DomAddress:], h.Address)
	return b, nil
}
