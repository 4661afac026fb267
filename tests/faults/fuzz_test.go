// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// sample is a module for the hostile client.
const sample = ".version 6.0\n.target sm_60\n.address_size 64\n.visible .global .align 4 .b8 table[64];\n" +
	".visible .entry empty()\n{\n\tret;\n}\n" +
	".visible .entry add(.param .u64 p, .param .u32 n)\n{\n\t.reg .b64 %p;\n\t.reg .b32 %v;\n" +
	"\tld.param.u64 %p, [p];\n\tld.param.u32 %v, [n];\n\tst.global.u32 [%p], %v;\n\tret;\n}\n\x00"

// seed names one hostile client: ORION_FUZZ_SEED repeats it.
func seed() (first uint64, only bool) {
	if n, err := strconv.ParseUint(os.Getenv("ORION_FUZZ_SEED"), 10, 64); err == nil {
		return n, true
	}
	return rand.Uint64N(1 << 40), false
}

// tally counts what hostile clients have done.
type tally struct {
	sessions, commands, ended int
	ran                       map[uint16]int // how often each command has succeeded, of those whose answer was awaited
}

// TestRandomCommands: hostile clients, one after the other, send all commands with random arguments, and break
// some. Their workers end in order, oriond stays, another client's results stay right.
func TestRandomCommands(t *testing.T) {
	t.Parallel()
	f := start(t, hostilePool)
	check := f.bystander(t)
	first, only := seed()
	sum := tally{ran: map[uint16]int{}}
	const enough = 50                  // different commands; less of them and the test reaches nothing
	goOn := func(end time.Time) bool { // on a busy machine longer, for them
		now := time.Now()
		return now.Before(end) || len(sum.ran) < enough && now.Before(end.Add(2*time.Minute))
	}
	for n, end := first, time.Now().Add(duration()); goOn(end); n++ {
		if !t.Run(strconv.FormatUint(n, 10), func(t *testing.T) { f.hostile(t, n, &sum) }) || only {
			break
		}
	}
	t.Logf("%d sessions from seed %d on, %d ended by the worker; %d commands, %d different ones succeeded",
		sum.sessions, first, sum.ended, sum.commands, len(sum.ran))
	check()
	if !f.node.Running() {
		t.Error("oriond has ended")
	}
	if !only && !t.Failed() && len(sum.ran) < enough {
		t.Error("hardly a command succeeded")
	}
}

// hostile is the life of one client.
func (f *fixture) hostile(t *testing.T, n uint64, sum *tally) {
	rng := rand.New(rand.NewPCG(n, 0))
	s := f.open(t)
	g := newGenerator(t, rng, s)
	g.furnish(t, s)
	breaks := pick(g, 0, 0, 0, 1000, 50) // one command in so many is broken; 0: none
	lost := 0
	for end := time.Now().Add(time.Second); lost < 200 && time.Now().Before(end); sum.commands++ {
		f := g.next()
		frame := g.frame(f)
		if breaks > 0 && g.one(breaks) {
			g.damage(frame)
		}
		if !g.one(50) { // host functions are mostly answered, and what kernels print is taken
			atomic.StoreUint32(s.word32(wire.StatusCallTail), atomic.LoadUint32(s.word32(wire.StatusCallHead)))
			atomic.StoreUint32(s.word32(wire.StatusConsoleTail), atomic.LoadUint32(s.word32(wire.StatusConsoleHead)))
		}
		if !makes(f) && !g.one(4) {
			if !s.put(frame) {
				break
			}
			continue
		}
		r, data, ok := s.exchange(frame, 20*time.Millisecond)
		switch {
		case !ok:
			lost += 20
		case r == driver.Success:
			sum.ran[uint16(f.Op)]++
			g.learn(f, data)
			lost = 0
		default:
			lost++ // after a kernel's fault nothing succeeds any more
		}
	}
	reason, ended := s.ended()
	if ended {
		t.Logf("ended: %s", reason)
		sum.ended++
	}
	sum.sessions++
	f.cleanEnd(t, s)
}

// damage flips a bit of a frame, but does not make it wait for more that never comes.
func (g *generator) damage(frame []byte) {
	frame[g.rng.IntN(len(frame))] ^= 1 << g.rng.IntN(8)
	if size := uint32(len(frame)); le.Uint32(frame) > size {
		le.PutUint32(frame, size)
	}
}

// furnish makes what commands can be about: contexts, memory, a stream, a module.
func (g *generator) furnish(t *testing.T, s *session) {
	t.Helper()
	const context, stream, module, function = 120, 121, 122, 123
	s.must(t, cuda.OpPrimaryRetain, 0, uint64(0), uint64(context))
	s.must(t, cuda.OpCuStreamCreateWithPriority, context, uint64(stream), uint64(0), uint64(0))
	for _, size := range []uint64{256, 64 << 10, 4 << 20} {
		g.devptrs = append(g.devptrs, le.Uint64(s.must(t, cuda.OpMemAlloc, context, size)))
	}
	copy(s.mem[wire.StageOffset:], sample)
	s.must(t, cuda.OpImageAppend, context, uint64(len(sample)), s.base+wire.StageOffset, uint64(len(sample)), uint64(1))
	s.must(t, cuda.OpModuleLoad, context, uint64(module), []byte{}, uint64(0))
	s.must(t, cuda.OpModuleFunction, context, uint64(function), uint64(module), []byte("add"))
	for kind, id := range map[string]uint64{"ctx": context, "stream": stream, "module": module, "func": function} {
		g.handles[kind] = append(g.handles[kind], id)
	}
}

// TestRandomBytes: the ring, and then all that a client can write, is filled with noise again and again.
func TestRandomBytes(t *testing.T) {
	t.Parallel()
	f := start(t, hostilePool)
	check := f.bystander(t)
	first, only := seed()
	for n, end := first, time.Now().Add(duration()/2); time.Now().Before(end); n++ {
		if !t.Run(strconv.FormatUint(n, 10), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(n, 1))
			s := f.open(t)
			from, to := uint64(wire.RingOffset), uint64(wire.RingOffset+64<<10)
			if rng.IntN(2) == 0 {
				from, to = 0, wire.HeapOffset(uint64(len(s.mem)))
			}
			for i := from; i < to; i += 8 {
				le.PutUint64(s.mem[i:], rng.Uint64()>>rng.IntN(64))
			}
			for range 100 {
				s.publish(rng.Uint64() >> rng.IntN(64) &^ 7)
			}
			f.cleanEnd(t, s)
		}) || only {
			break
		}
	}
	check()
}
