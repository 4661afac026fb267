// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"os"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/host/session/region"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/vmm"
)

// memory is what a session's region is to be made of.
type memory struct {
	carrier      uint32
	offset, size uint64
	slice        vmm.Slice // nil: a file of its own
}

// memory finds a region's memory for a client that comes by conn.
func (s *Server) memory(conn *entrance.Conn, h wire.Hello) (memory, error) {
	if h.Carrier != wire.CarrierDevice {
		return memory{carrier: h.Carrier, size: s.opt.RegionBytes}, nil
	}
	slice, err := s.opt.Domains.Claim(h.Proof, conn.CID)
	switch {
	case errors.Is(err, vmm.ErrStaleNonce):
		return memory{}, refuse(driver.ErrorNotReady, "%v", err)
	case err != nil:
		// The client may have another way.
		return memory{}, refuse(driver.ErrorNotSupported, "no shared memory for this program: %v", err)
	}
	m := memory{carrier: h.Carrier, offset: slice.Offset(), size: slice.Size(), slice: slice}
	if err := region.Check(m.size); err != nil {
		slice.Release()
		return memory{}, err
	}
	return m, nil
}

// checkCarrier says whether a client that came by conn can have a carrier.
func (s *Server) checkCarrier(conn *entrance.Conn, carrier uint32) error {
	switch carrier {
	case wire.CarrierMemory:
		if conn.Kind == entrance.Unix {
			return nil
		}
		return refuse(driver.ErrorInvalidValue, "shared memory was asked for by %s: only programs of this host can have it, by the unix socket", conn.Source())
	case wire.CarrierDevice:
		if s.opt.Domains == nil {
			return refuse(driver.ErrorNotSupported, "this oriond serves no virtual machines (key enable_kvm in section [server])")
		}
		if conn.Kind != entrance.Unix {
			return nil
		}
		return refuse(driver.ErrorInvalidValue, "a slice of an ivshmem device was asked for by the unix socket: virtual machines come by vsock or TCP")
	case wire.CarrierStream:
		return s.checkStream(conn)
	}
	return refuse(driver.ErrorInvalidValue, "the client asks for carrier %d, which this oriond does not have", carrier)
}

// checkStream lets in other hosts by TCP, and those virtual machines by vsock that opted in.
func (s *Server) checkStream(conn *entrance.Conn) error {
	switch conn.Kind {
	case entrance.TCP:
		return nil
	case entrance.Vsock:
		if conn.Hybrid != "" {
			return nil
		}
		if s.opt.Domains != nil {
			if _, ok := s.opt.Domains.Known(conn.CID); ok {
				return nil
			}
		}
		return refuse(driver.ErrorNoDevice, "the virtual machine with vsock address %d has no vGPUs: on the host, run oriond vm enable DOMAIN", conn.CID)
	}
	return refuse(driver.ErrorInvalidValue, "a stream was asked for by the unix socket, which has shared memory")
}

// open returns the file of the memory, which the caller closes.
func (m memory) open(name string) (*os.File, error) {
	if m.slice == nil {
		return region.Create(name, m.size)
	}
	return region.Dup(m.slice.File())
}

// discard gives back what no session came to use.
func (m memory) discard() {
	if m.slice != nil {
		m.slice.Release()
	}
}

func (m memory) patience() entrance.Patience {
	if m.slice != nil {
		return entrance.Guest
	}
	return entrance.Remote
}

func (m memory) record() *record.Slice {
	if m.slice == nil {
		return nil
	}
	return &record.Slice{Domain: m.slice.Domain(), Offset: m.offset, Size: m.size}
}
