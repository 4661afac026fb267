// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/worker/share"
)

// Kinds of what sessions share, as tokens tell them.
const (
	sharedMemory  = 1
	sharedEvent   = 2
	sharedHandle  = 3
	sharedPool    = 4
	sharedPointer = 5
)

// shares are what this session offers to others. What is offered twice keeps its token: programs know memory again
// by its handle.
type shares struct {
	giver  share.Giver
	offers map[sharedThing]offer
}

type sharedThing struct {
	kind  byte
	value uint64 // the backend's handle or address
}

type offer struct {
	token   share.Token
	file    *os.File // open as long as the offer stands
	context driver.Context
}

// give offers something of n bytes, 0 where that is no matter, and writes its token.
func (s *server) give(thing sharedThing, n uint64, token []byte, get func() (driver.Shared, driver.Result)) driver.Result {
	if o, ok := s.shares.offers[thing]; ok {
		copy(token, o.token[:])
		return driver.Success
	}
	shared, r := get()
	if r != driver.Success {
		return r
	}
	data := append(binary.LittleEndian.AppendUint64(nil, n), shared.Data...)
	t, err := s.shares.giver.Offer(thing.kind, func() (driver.Shared, error) {
		f, err := again(shared.File)
		return driver.Shared{Data: data, File: f}, err
	})
	if err != nil {
		s.log.Warn("nothing can be shared", "reason", err)
		shared.Close()
		return driver.ErrorOperatingSystem
	}
	if s.shares.offers == nil {
		s.shares.offers = map[sharedThing]offer{}
	}
	s.shares.offers[thing] = offer{token: t, file: shared.File, context: s.current}
	copy(token, t[:])
	return driver.Success
}

// again is a second descriptor of a file, nil for none.
func again(f *os.File) (*os.File, error) {
	if f == nil {
		return nil, nil
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("share memory: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// withdraw ends the offers that ends names: what they are of is about to go.
func (s *server) withdraw(ends func(sharedThing, offer) bool) {
	for thing, o := range s.shares.offers {
		if ends(thing, o) {
			s.shares.giver.Withdraw(o.token)
			driver.Shared{File: o.file}.Close()
			delete(s.shares.offers, thing)
		}
	}
}

func (s *server) withdrawOne(kind byte, value uint64) {
	if len(s.shares.offers) > 0 {
		s.withdraw(func(t sharedThing, _ offer) bool { return t == sharedThing{kind, value} })
	}
}

// take fetches what another session, or this one, offers.
func (s *server) take(token []byte, kind byte) (shared driver.Shared, n uint64, r driver.Result) {
	t := share.Token(token)
	if t.Kind() != kind {
		return shared, 0, driver.ErrorInvalidValue
	}
	shared, err := share.Fetch(t)
	if err != nil || len(shared.Data) < 8 {
		shared.Close()
		s.log.Warn("what another session shares is not to be had", "reason", err)
		return driver.Shared{}, 0, driver.ErrorInvalidValue
	}
	n, shared.Data = binary.LittleEndian.Uint64(shared.Data), shared.Data[8:]
	return shared, n, driver.Success
}

func (s *server) onShareMemory(api driver.API, p driver.DevicePtr, token []byte) driver.Result {
	base, n, r := api.MemGetAddressRange(p)
	if r != driver.Success {
		return driver.ErrorInvalidValue
	}
	return s.give(sharedThing{sharedMemory, uint64(base)}, n, token, func() (driver.Shared, driver.Result) { return api.IpcGetMem(base) })
}

func (s *server) onShareEvent(api driver.API, e driver.Event, token []byte) driver.Result {
	return s.give(sharedThing{sharedEvent, uint64(e)}, 0, token, func() (driver.Shared, driver.Result) { return api.IpcGetEvent(e) })
}

func (s *server) onShareHandle(api driver.API, h driver.MemHandle, token []byte) driver.Result {
	return s.give(sharedThing{sharedHandle, uint64(h)}, 0, token, func() (driver.Shared, driver.Result) { return api.MemExport(h) })
}

func (s *server) onSharePool(api driver.API, p driver.MemPool, token []byte) driver.Result {
	return s.give(sharedThing{sharedPool, uint64(p)}, 0, token, func() (driver.Shared, driver.Result) { return api.PoolExport(p) })
}

func (s *server) onSharePointer(api driver.API, p driver.DevicePtr, token []byte) driver.Result {
	n, ok := s.memory.size(p)
	if !ok {
		return driver.ErrorInvalidValue
	}
	return s.give(sharedThing{sharedPointer, uint64(p)}, n, token, func() (driver.Shared, driver.Result) { return api.PoolExportPointer(p) })
}

// openShared takes what a token stands for and has the driver open it. It also returns the bytes that it has, 0 for
// what has none.
func openShared[T any](s *server, token []byte, kind byte, open func(driver.Shared) (T, driver.Result)) (opened T, n uint64, r driver.Result) {
	shared, n, r := s.take(token, kind)
	if r != driver.Success {
		return opened, 0, r
	}
	defer shared.Close()
	opened, r = open(shared)
	return opened, n, r
}

func (s *server) onTakeMemory(api driver.API, token []byte, flags uint32) (driver.DevicePtr, uint64, driver.Result) {
	return openShared(s, token, sharedMemory, func(shared driver.Shared) (driver.DevicePtr, driver.Result) {
		return api.IpcOpenMem(shared, flags)
	})
}

func (s *server) onDropMemory(api driver.API, p driver.DevicePtr) driver.Result {
	return api.IpcCloseMem(p)
}

func (s *server) onTakeEvent(api driver.API, token []byte) (driver.Event, driver.Result) {
	e, _, r := openShared(s, token, sharedEvent, api.IpcOpenEvent)
	return e, r
}

func (s *server) onTakeHandle(api driver.API, token []byte) (driver.MemHandle, driver.Result) {
	h, _, r := openShared(s, token, sharedHandle, api.MemImport)
	if r == driver.Success {
		of := h
		for thing, o := range s.shares.offers {
			if thing.kind == sharedHandle && o.token == share.Token(token) { // of this session's own
				of = driver.MemHandle(thing.value)
			}
		}
		s.memory.aliasHandle(h, of)
	}
	return h, r
}

func (s *server) onTakePool(api driver.API, token []byte) (driver.MemPool, driver.Result) {
	p, _, r := openShared(s, token, sharedPool, api.PoolImport)
	return p, r
}

func (s *server) onTakePointer(api driver.API, pool driver.MemPool, token []byte) (driver.DevicePtr, uint64, driver.Result) {
	return openShared(s, token, sharedPointer, func(shared driver.Shared) (driver.DevicePtr, driver.Result) {
		return api.PoolImportPointer(pool, shared)
	})
}
