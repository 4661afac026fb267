// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// args reads the arguments of one command, from the worker's own copy. The first fault is kept: malformed
// commands end the session, wrong handles only fail the call.
type args struct {
	b         []byte
	at        int
	malformed bool
	refused   driver.Result
	outs      []byte // room for results, of SlotRoom bytes
	outAt     int
}

func (a *args) reset(b []byte) {
	a.b, a.at, a.malformed, a.refused, a.outAt = b, 0, false, driver.Success, 0
}

func (a *args) fail() { a.malformed = true }

// result is what to answer before the call: malformed is for the server to see.
func (a *args) result() driver.Result {
	if a.at != len(a.b) {
		a.malformed = true
	}
	if a.malformed {
		return driver.ErrorInvalidValue
	}
	return a.refused
}

func (a *args) u64() uint64 {
	if len(a.b)-a.at < 8 {
		a.malformed = true
		a.at = len(a.b)
		return 0
	}
	v := binary.LittleEndian.Uint64(a.b[a.at:])
	a.at += 8
	return v
}

func (a *args) peek() uint64 {
	if len(a.b)-a.at < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(a.b[a.at:])
}

func (a *args) f32() float32 { return math.Float32frombits(uint32(a.u64())) }

// newID reads an id that the client has chosen for a new handle.
func (a *args) newID() uint32 {
	v := a.u64()
	if v < 16 || v >= firstMinted {
		a.malformed = true
		return 16
	}
	return uint32(v)
}

func (a *args) handle(s *server, kind uint8) uint64 {
	if kind == cuda.KindUserObject {
		s.forgetUserObjects()
	}
	v, ok := s.handles.lookup(a.u64(), kind)
	if !ok && a.refused == driver.Success {
		a.refused = driver.ErrorInvalidHandle
	}
	if kind == cuda.KindStream {
		s.touch(driver.Stream(v))
	}
	return v
}

// handles reads a counted array of handles.
func handles[T ~uint64](a *args, s *server, kind uint8) []T {
	n := a.u64()
	if n > uint64(len(a.b)-a.at)/8 {
		a.malformed = true
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = T(a.handle(s, kind))
	}
	return list
}

// blob reads a counted run of bytes, padded to 8. It is nil where the client sent none at all.
func (a *args) blob() []byte {
	n := a.u64()
	if n == math.MaxUint64 {
		return nil
	}
	room := uint64(len(a.b) - a.at)
	if n > room || (n+7)&^7 > room {
		a.malformed = true
		a.at = len(a.b)
		return []byte{}
	}
	b := a.b[a.at : a.at+int(n) : a.at+int(n)]
	a.at += int((n + 7) &^ 7)
	return b
}

func (a *args) cstr() string { return string(a.blob()) }

// bounded is for numbers in length expressions: what is larger than any command cannot be meant.
func (a *args) bounded(v uint64) uint64 {
	if v > wire.MaxCommand {
		a.malformed = true
		return 0
	}
	return v
}

// length checks bytes that have to be there: nil will do for none.
func (a *args) length(b []byte, want uint64) {
	if uint64(len(b)) != want {
		a.malformed = true
	}
}

func (a *args) lengthOrNil(b []byte, want uint64) {
	if b != nil && uint64(len(b)) != want {
		a.malformed = true
	}
}

func (a *args) count(n int, want uint64) {
	if uint64(n) != want {
		a.malformed = true
	}
}

// outAlign is what results may need of their address: a tensor map is encoded at a multiple of 64.
const outAlign = 64

// newArgs returns a reader with room for results.
func newArgs() *args {
	room := make([]byte, wire.SlotRoom+2*outAlign)
	skip := -uintptr(unsafe.Pointer(&room[0])) % outAlign
	return &args{outs: room[skip:]}
}

// out is zeroed room for a result of n bytes, valid until the next command.
func (a *args) out(n uint64) []byte {
	padded := (n + outAlign - 1) &^ (outAlign - 1)
	if n > wire.SlotRoom || padded > uint64(len(a.outs)-a.outAt) {
		a.malformed = true
		return nil
	}
	b := a.outs[a.outAt : a.outAt+int(n) : a.outAt+int(n)]
	clear(b)
	a.outAt += int(padded)
	return b
}

// inout is room for a result that starts as what the client sent.
func (a *args) inout(b []byte) []byte {
	out := a.out(uint64(len(b)))
	copy(out, b)
	return out
}
