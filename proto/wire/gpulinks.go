// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"
)

// GPULink is an NVLink of a GPU, as the command gpu_links returns them: in this order, GPULinkSize bytes, one for each
// number up to GPULinks. Numbers are NVML's; one that is not known is GPUUnknown, all of a link that is not there.
type GPULink struct {
	Active          uint32 // 1: trained, and in use
	Capabilities    uint32 // a bit for each of nvmlNvLinkCapability_t
	Version         uint32
	Speed           uint32 // MB/s
	RemoteType      uint32 // nvmlIntNvLinkDeviceType_t
	RemoteDomain    uint32 // where the other end is on the bus
	RemoteBus       uint32
	RemoteSlot      uint32
	RemoteID        uint32 // PCI device and vendor
	RemoteSubsystem uint32
}

// Layout of what gpu_links returns.
const (
	GPULinks     = 36 // as many as NVML has numbers for
	GPULinkSize  = 40
	GPULinksSize = GPULinks * GPULinkSize
)

// NoLink is one that is not there.
func NoLink() GPULink {
	const u = GPUUnknown
	return GPULink{u, u, u, u, u, u, u, u, u, u}
}

// MarshalLinks encodes a GPU's links by their numbers.
func MarshalLinks(links []GPULink) ([]byte, error) {
	var all [GPULinks]GPULink
	for i := range all {
		all[i] = NoLink()
	}
	copy(all[:], links)
	b := make([]byte, GPULinksSize)
	if n, err := binary.Encode(b, binary.LittleEndian, all); err != nil || n != len(b) {
		return nil, fmt.Errorf("encode the links of a GPU: %d bytes, %w", n, err)
	}
	return b, nil
}
