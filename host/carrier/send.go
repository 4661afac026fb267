// SPDX-License-Identifier: Apache-2.0

package carrier

import (
	"runtime"
	"slices"
	"time"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/cuda/touch"
	"github.com/orion-vgpu/orion/proto/wire"
)

// sender is what the sending goroutine remembers of what the client has.
type sender struct {
	*Carrier
	out     *carry.Writer
	ready   []answer
	reached []eventWord
	written []*cast
	raised  []touch.Flag
	spin    time.Duration
	divisor time.Duration

	console, calls, failures uint32 // of the status
	head                     uint64 // of the ring
	lastSent, lastDiff       time.Time
	diffTook                 time.Duration
	timer                    *time.Timer
}

func newSender(c *Carrier) sender {
	s := sender{Carrier: c, out: carry.NewWriter(c.stream), spin: time.Millisecond, divisor: 64, timer: time.NewTimer(time.Hour)}
	if fewCores() {
		s.spin, s.divisor = 50*time.Microsecond, 8
	}
	return s
}

// send watches the region and sends what the client is to see, until the connection or the session ends.
func (c *Carrier) send() {
	s := &c.sender
	defer close(c.done)
	s.out.Memory(wire.HeaderOffset, c.region[wire.HeaderOffset:wire.RingControl])
	s.lastSent = time.Now()
	waiting := s.lastSent
	for finished := false; ; {
		busy := s.round()
		now := time.Now()
		if finished {
			s.end()
		}
		if !s.out.Pending() && now.Sub(s.lastSent) > carry.PingEvery {
			s.out.Frame(carry.Ping, 0, nil)
		}
		if s.out.Pending() {
			if err := s.out.Flush(); err != nil {
				c.close(c.life.Reason(err))
				return
			}
			s.lastSent, waiting = now, now
		}
		if finished {
			return
		}
		finished = s.await(busy, now.Sub(waiting))
	}
}

// end tells that the session is over.
func (s *sender) end() {
	reason := s.region[wire.StatusMessage : wire.StatusMessage+wire.StatusMessageBytes]
	if i := slices.Index(reason, 0); i >= 0 {
		reason = reason[:i]
	}
	s.out.Frame(carry.End, uint64(s.region.Load32(wire.StatusEnded)), reason)
}

// await waits before the next round: not at all while what is awaited is young, then in proportion to its age;
// without anything to wait for, until something happens or it is time to show a sign of life.
func (s *sender) await(busy bool, waited time.Duration) (finished bool) {
	pause := carry.PingEvery
	if !s.shared.Empty() {
		pause = s.diffPause()
	}
	if busy {
		if waited < s.spin {
			runtime.Gosched()
			pause = 0
		} else {
			pause = min(pause, time.Millisecond, max(20*time.Microsecond, waited/s.divisor))
		}
	}
	if pause == 0 {
		select {
		case <-s.finish:
			return true
		default:
			return false
		}
	}
	s.timer.Reset(pause)
	select {
	case <-s.finish:
		return true
	case <-s.gone:
		return true
	case <-s.wake:
	case <-s.timer.C:
	}
	return false
}

// diffPause is for how long shared memory is left alone when nobody asks: little while the session is active,
// more the longer it has not been, and never so little that looking is all that this side does.
func (s *sender) diffPause() time.Duration {
	idle := time.Since(time.Unix(0, s.active.Load()))
	return max(s.diffTook*8, min(100*time.Millisecond, max(2*time.Millisecond, idle/16)))
}

// round sends all that there is to send, in the order in which the client may rely on it: it looks at answers
// first, and sends them last. It says whether something is awaited.
func (s *sender) round() (busy bool) {
	drained := s.region.Load64(wire.RingHead) == s.region.Load64(wire.RingTail)
	calls := s.region.Load32(wire.StatusCallHead)
	s.mu.Lock()
	s.ready = s.ready[:0]
	s.expected = slices.DeleteFunc(s.expected, func(a answer) bool {
		if !s.given(a) {
			return false
		}
		s.ready = append(s.ready, a)
		return true
	})
	s.reached = s.reached[:0]
	s.events = slices.DeleteFunc(s.events, func(e eventWord) bool {
		if v := s.region.Load32(e.offset); v&wire.EventUnknown == 0 && !reached(v, e.number) {
			return false
		}
		s.reached = append(s.reached, e)
		return true
	})
	s.mu.Unlock()

	s.sendFailures()
	s.sendConsole()
	s.sendCasts()
	asked := len(s.ready)+len(s.reached) > 0 || calls != s.calls
	if !s.shared.Empty() && (asked || time.Since(s.lastDiff) >= s.diffPause()) {
		s.sendShared()
	}
	s.sendFlags()
	s.sendCalls(calls)
	for _, e := range s.reached {
		s.out.Word32(e.offset, s.region.Load32(e.offset))
	}
	for _, a := range s.ready {
		s.sendAnswer(a)
	}
	s.sendHead()

	s.mu.Lock()
	defer s.mu.Unlock()
	return !drained || len(s.expected)+len(s.casts)+len(s.flags)+len(s.events) > 0
}

func reached(value, seq uint32) bool { return int32(value-seq) >= 0 }

// given says whether an answer is there, by the worker or by a GPU.
func (s *sender) given(a answer) bool {
	return reached(s.region.Load32(a.slot+wire.SlotSeq), a.seq) || reached(s.region.Load32(a.slot+wire.SlotFlag), a.seq)
}

// sendAnswer tells of one answer and no later one, though the slot may have come to that since: what a later one promises
// to have written has yet to be sent.
func (s *sender) sendAnswer(a answer) {
	s.sendAreas(a.writes)
	word := s.region.Load64(a.slot + wire.SlotSeq)
	if !reached(uint32(word), a.seq) {
		s.out.Word32(a.slot+wire.SlotWhole, s.region.Load32(a.slot+wire.SlotWhole))
		s.out.Word32(a.slot+wire.SlotFlag, a.seq)
		return
	}
	if uint32(word) != a.seq { // the later one answers for this one, too
		return
	}
	n := min(s.region.Load32(a.slot+wire.SlotBytes), wire.SlotRoom)
	if n > 0 {
		s.out.Memory(a.slot+wire.SlotData, s.region[a.slot+wire.SlotData:][:n])
	}
	s.out.Word32(a.slot+wire.SlotBytes, n)
	s.out.Word32(a.slot+wire.SlotWhole, s.region.Load32(a.slot+wire.SlotWhole))
	s.out.Word64(a.slot+wire.SlotSeq, word)
}

// sendAreas sends memory that a command has written.
func (s *sender) sendAreas(list []touch.Area) {
	for _, a := range list {
		for address, n := range a.Rows {
			s.shared.Send(address-s.base, n, carry.MaxPayload, s.out.Memory) // it may have come to be shared meanwhile
		}
	}
}

// sendCasts sends the memory of casts whose streams have got there.
func (s *sender) sendCasts() {
	s.mu.Lock()
	s.written = s.written[:0]
	s.casts = slices.DeleteFunc(s.casts, func(k *cast) bool {
		if !k.done.Load() && (k.mark == 0 || s.region.Load32(k.mark) != k.value) {
			return false
		}
		s.written = append(s.written, k)
		return true
	})
	s.mu.Unlock()
	for _, k := range s.written {
		s.sendAreas(k.writes)
		s.out.Frame(carry.Written, k.number, nil)
	}
	s.mu.Lock()
	for _, k := range s.written {
		if k.mark != 0 {
			s.marks = append(s.marks, k.mark)
		}
	}
	s.mu.Unlock()
}

// sendFlags sends words of staging that have got the value that the client waits for.
func (s *sender) sendFlags() {
	s.mu.Lock()
	s.raised = s.raised[:0]
	s.flags = slices.DeleteFunc(s.flags, func(f touch.Flag) bool {
		if s.region.Load32(f.Address-s.base) != f.Value {
			return false
		}
		s.raised = append(s.raised, f)
		return true
	})
	s.mu.Unlock()
	for _, f := range s.raised {
		s.out.Word32(f.Address-s.base, f.Value)
	}
}

func (s *sender) sendShared() {
	start := time.Now()
	if s.shared.Diff(carry.MaxPayload, func(offset uint64, patch []byte) { s.out.Frame(carry.Patch, offset, patch) }) {
		s.active.Store(start.UnixNano())
	}
	s.lastDiff = time.Now()
	s.diffTook = s.lastDiff.Sub(start)
}

// sendFailures sends what went wrong with casts.
func (s *sender) sendFailures() {
	if n := s.region.Load32(wire.StatusAsyncSeq); n != s.failures {
		s.failures = n
		s.out.Word32(wire.StatusAsyncCode, s.region.Load32(wire.StatusAsyncCode))
		s.out.Word32(wire.StatusAsyncSeq, n)
	}
}

// sendConsole sends what was printed.
func (s *sender) sendConsole() {
	head := s.region.Load32(wire.StatusConsoleHead)
	if head == s.console {
		return
	}
	for s.console != head {
		at := s.console % wire.ConsoleSize
		n := min(head-s.console, wire.ConsoleSize-at)
		s.out.Memory(wire.ConsoleOffset+uint64(at), s.region[wire.ConsoleOffset+at:][:n])
		s.console += n
	}
	s.out.Word32(wire.StatusConsoleHead, head)
}

// sendCalls asks the client to run host functions.
func (s *sender) sendCalls(head uint32) {
	if head == s.calls {
		return
	}
	for ; s.calls != head; s.calls++ {
		at := wire.CallbackRing + uint64(s.calls%wire.CallbackEntries)*wire.CallbackSize
		s.out.Memory(at, s.region[at:at+wire.CallbackSize])
	}
	s.out.Word32(wire.StatusCallHead, head)
}

// sendHead tells how far the ring was read, with other news, or when the client might wait for room.
func (s *sender) sendHead() {
	head := s.region.Load64(wire.RingHead)
	if head != s.head && (s.out.Pending() || head-s.head >= wire.RingSize/8) {
		s.head = head
		s.out.Word64(wire.RingHead, head)
	}
}
