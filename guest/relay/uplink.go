// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/cuda/touch"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/proto/wire/ring"
)

// uplink reads the program's side of the region and sends what the worker is to see.
type uplink struct {
	*session
	out    *carry.Writer
	waiter waiter

	at      uint64 // how far the ring has been read
	buffer  []byte // of the command being looked at
	batch   []byte // commands not yet written to out
	touched touch.Command
	casts   uint64 // commands so far that write and are not answered

	calls, console uint32 // as the worker knows them
	captures       int    // streams in capture
	reach          bool   // the host works on pinned memory in the order of streams: all of it is to be shared
	current        bool   // what the host has changed of shared memory was sent in this round
}

func newUplink(s *session) *uplink {
	u := &uplink{session: s, out: carry.NewWriter(s.stream), buffer: make([]byte, wire.MaxCommand)}
	u.waiter = newWaiter(s)
	return u
}

// run returns when the session has ended.
func (u *uplink) run() error {
	for {
		if err := u.round(); err != nil {
			return err
		}
		if u.waiter.signOfLife(u.out.Pending()) {
			u.out.Frame(carry.Ping, 0, nil)
		}
		if u.out.Pending() {
			if err := u.out.Flush(); err != nil {
				return u.lost(err)
			}
		}
		if err := u.waiter.await(u); err != nil {
			return err
		}
	}
}

// news says whether the program has done something that the worker does not know.
func (u *uplink) news() bool {
	return u.region.Load64(wire.RingTail) != u.at || u.region.Load32(wire.StatusCallTail) != u.calls ||
		u.region.Load32(wire.StatusConsoleTail) != u.console
}

// answersAwaited says whether the program is to answer something for which it rings no bell.
func (u *uplink) answersAwaited() bool {
	return u.region.Load32(wire.StatusCallHead) != u.calls || u.region.Load32(wire.StatusConsoleHead) != u.console
}

// round sends all that there is to send. It looks at what was published first, and at shared memory after, so
// that what the program wrote before is on the way before.
func (u *uplink) round() error {
	tail := u.region.Load64(wire.RingTail)
	calls := u.region.Load32(wire.StatusCallTail)
	console := u.region.Load32(wire.StatusConsoleTail)
	u.current = false
	if err := ring.Check(u.at, tail); err != nil {
		return err
	}
	for u.at != tail {
		if u.at%wire.RingSize == 0 { // a command may end where the ring does
			u.sendBatch()
		}
		c, size, err := ring.Take(u.region.Ring(), u.at, tail-u.at, u.buffer)
		if err != nil {
			return err
		}
		u.at += size
		if c.Filler() {
			u.sendBatch()
			u.out.Frame(carry.Filler, size, nil)
			continue
		}
		if err := u.command(&c); err != nil {
			return err
		}
	}
	u.sendBatch()
	if calls != u.calls || u.waiter.sharedDue(u) {
		u.sendShared()
	}
	if calls != u.calls {
		u.calls = calls
		u.out.Word32(wire.StatusCallTail, calls)
	}
	if console != u.console {
		u.console = console
		u.out.Word32(wire.StatusConsoleTail, console)
	}
	return nil
}

// command sends the memory that a command reads, then the command.
func (u *uplink) command(c *ring.Command) error {
	if err := u.note(c); err != nil {
		return err
	}
	t := &u.touched
	t.Of(c.Op, c.Args)
	if err := u.shareNamed(c); err != nil {
		return err
	}
	writes := false
	for _, a := range t.Writes {
		writes = writes || a.Within(u.base+wire.StageOffset, u.base+uint64(len(u.region)))
	}
	cast := uint64(0) // of those that others may have to wait for
	if writes && c.Slot == 0 {
		u.casts++
		cast = u.casts
	}
	for _, a := range t.Reads {
		if err := u.read(a); err != nil {
			return err
		}
	}
	for _, a := range t.Writes {
		if err := u.write(a, cast); err != nil {
			return err
		}
	}
	if !passive(c.Op) {
		u.sendShared()
	}
	if len(u.batch)+len(c.Frame) > carry.MaxPayload {
		u.sendBatch()
	}
	u.batch = append(u.batch, c.Frame...)
	return nil
}

// passive says that a command starts nothing that reads memory.
func passive(op uint16) bool {
	switch op {
	case cuda.OpStreamSync, cuda.OpEventWait, cuda.OpCtxWait, cuda.OpCuStreamQuery, cuda.OpEventQuery, cuda.OpCuEventRecord,
		cuda.OpCuStreamWaitEvent, cuda.OpMemInfo, cuda.OpHostAlloc, cuda.OpMemAlloc, cuda.OpMemFree, cuda.OpWriteFlag:
		return true
	}
	return false
}

// note keeps track of pinned memory, and of what makes the order of its use hard to tell.
func (u *uplink) note(c *ring.Command) error {
	switch c.Op {
	case cuda.OpHostAlloc:
		if len(c.Args) == 24 {
			return u.hostAlloc(carry.Uint64(c.Args)-u.base, carry.Uint64(c.Args[8:]), uint32(carry.Uint64(c.Args[16:])))
		}
	case cuda.OpHostAlias:
		if len(c.Args) == 32 {
			skip := carry.Uint64(c.Args[8:])
			u.pinned.addAlias(carry.Uint64(c.Args[24:]), carry.Uint64(c.Args)+skip-u.base, carry.Uint64(c.Args[16:]))
		}
	case cuda.OpHostFree:
		if len(c.Args) == 16 {
			u.hostFree(carry.Uint64(c.Args)-u.base, carry.Uint64(c.Args[8:]))
		}
	case cuda.OpPrimaryReset:
		u.pinned.remove(0, uint64(len(u.region)))
	case cuda.OpCuStreamBeginCapture_v2, cuda.OpCuStreamBeginCaptureToGraph:
		u.captures++
	case cuda.OpCuStreamEndCapture:
		u.captures = max(0, u.captures-1)
	case cuda.OpHostFunc, cuda.OpGraphAddHost, cuda.OpCuStreamWaitValue32, cuda.OpCuStreamWaitValue32_v2, cuda.OpCuStreamWaitValue64,
		cuda.OpCuStreamWaitValue64_v2, cuda.OpCuStreamBatchMemOp, cuda.OpCuStreamBatchMemOp_v2:
		// A copy behind such a command reads what the host writes before it lets the stream go on.
		u.reach = true
	}
	return nil
}

func (u *uplink) hostAlloc(offset, size uint64, flags uint32) error {
	if size%wire.PageSize != 0 || offset%wire.PageSize != 0 {
		return nil // the worker refuses it
	}
	a := u.pinned.add(offset, size)
	if a == nil || flags&wire.HostReachable == 0 {
		return nil
	}
	return u.share(a)
}

func (u *uplink) hostFree(offset, size uint64) {
	if u.pinned.find(offset) == nil {
		return
	}
	u.pinned.remove(offset, size)
	if offset < uint64(len(u.region)) && size <= uint64(len(u.region))-offset {
		discard(u.file, offset, size)
	}
}

// read sends an area that a command reads, as far as it is the program's to say what lies there.
func (u *uplink) read(a touch.Area) error {
	if !a.Within(u.base+wire.StageOffset, u.base+uint64(len(u.region))) {
		return nil // the worker refuses it
	}
	shared, err := u.reached(a)
	if err != nil || shared {
		return err
	}
	u.sendBatch()
	for address, n := range a.Rows {
		u.pinned.own(address-u.base, n, func(offset, n uint64) { u.out.Memory(offset, u.region[offset:][:n]) })
	}
	return nil
}

// write notes an area that a command writes.
func (u *uplink) write(a touch.Area, cast uint64) error {
	if !a.Within(u.base+u.pinned.heap, u.base+uint64(len(u.region))) {
		return nil // staging has one user at a time
	}
	shared, err := u.reached(a)
	if err != nil || shared || cast == 0 {
		return err
	}
	for address, n := range a.Rows {
		if u.pinned.await(cast, address-u.base, n) {
			continue
		}
		if piece := u.pinned.find(address - u.base); piece != nil {
			return u.share(piece)
		}
	}
	return nil
}

// reached says whether an area is shared memory, and shares it where a copy of it alone would not do.
func (u *uplink) reached(a touch.Area) (bool, error) {
	piece := u.pinned.find(a.Address - u.base)
	if piece == nil {
		return false, nil
	}
	if !piece.shared && (u.reach || u.captures > 0) {
		if err := u.share(piece); err != nil {
			return false, err
		}
	}
	if !piece.shared {
		piece.touched = true
	}
	return piece.shared, nil
}

// shareNamed shares the pinned memory whose addresses are among a command's arguments, other than those of the
// memory that it is known to copy: kernels, graphs and others may reach it.
func (u *uplink) shareNamed(c *ring.Command) error {
	if len(u.pinned.pieces) == 0 || c.Op == cuda.OpHostAlloc || c.Op == cuda.OpHostFree || c.Op == cuda.OpHostAlias {
		return nil
	}
	for b := c.Args; len(b) >= 8; b = b[8:] {
		v := carry.Uint64(b)
		if piece := u.pinned.named(v, u.base); piece != nil && !piece.shared && !u.touched.Mentions(v) {
			if err := u.share(piece); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *uplink) share(piece *piece) error {
	u.sendBatch()
	u.current = false // there is more to send now
	return u.pinned.share(piece, u.out)
}

// sendShared sends what the host has changed of shared memory, once a round.
func (u *uplink) sendShared() {
	if u.current || u.pinned.shared.Empty() {
		return
	}
	u.current = true
	u.sendBatch()
	u.waiter.timed(func() bool {
		return u.pinned.shared.Diff(carry.MaxPayload, func(offset uint64, patch []byte) { u.out.Frame(carry.Patch, offset, patch) })
	})
}

func (u *uplink) sendBatch() {
	u.out.Commands(u.batch)
	u.batch = u.batch[:0]
}
