// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/tests/chain"
)

// hostilePool has room for a hostile session beside the bystander's.
var hostilePool = chain.Options{GPUs: 1, MemoryMiB: 1024, VGPUCount: 8, RegionMiB: 128}

// crash is what the log of a worker must not hold, whatever its client has done.
var crash = regexp.MustCompile(`panic:|fatal error:|runtime error|goroutine \d+ \[|SIGSEGV|SIGBUS|signal: `)

// cleanEnd waits until a session is over, closing the client's side first, and fails the test if its worker
// crashed. It returns the session's log.
func (f *fixture) cleanEnd(t *testing.T, s *session) string {
	t.Helper()
	s.conn.Close()
	var log string
	chain.Soon(t, "the session is over", prompt, func() bool {
		log = f.node.SessionLog(t, s.id)
		return strings.Contains(log, "session over")
	})
	if crash.MatchString(log) {
		t.Fatalf("the worker crashed:\n%s", log)
	}
	if !strings.Contains(log, "session ended") {
		t.Fatalf("the log does not say why the session ended:\n%s", log)
	}
	return log
}

// What no client's library would send ends the session, with the reason in words for the client and in the log.
func TestMalformed(t *testing.T) {
	t.Parallel()
	f := start(t, hostilePool)
	check := f.bystander(t)
	frame := func(change func(b []byte)) func(*session) {
		return func(s *session) {
			b := command(cuda.OpMemInfo, 0, 1, 1)
			change(b)
			s.put(b)
		}
	}
	for _, c := range []struct {
		name string
		do   func(s *session)
		want string // in the reason
	}{
		{"a tail beyond the ring", func(s *session) { s.publish(wire.RingSize + 8) }, "malformed ring"},
		{"a tail that is not a multiple of 8", func(s *session) { s.publish(4) }, "malformed ring"},
		{"the largest tail", func(s *session) { s.publish(1<<64 - 8) }, "malformed ring"},
		{"a tail before the head", func(s *session) {
			s.call(cuda.OpMemInfo, 0)
			s.publish(s.tail - 8)
		}, "malformed ring"},
		{"a command of no bytes", frame(func(b []byte) { le.PutUint32(b, 0) }), "command of 0 bytes"},
		{"a command of odd size", frame(func(b []byte) { le.PutUint32(b, 25) }), "command of 25 bytes"},
		{"a command cut short", frame(func(b []byte) { le.PutUint32(b, 16) }), "command of 16 bytes"},
		{"a command longer than what is there", frame(func(b []byte) { le.PutUint32(b, 4096) }), "4096 bytes"},
		{"a command longer than the ring", frame(func(b []byte) { le.PutUint32(b, 1<<31) }), "2147483648 bytes"},
		{"a command longer than the bound", func(s *session) {
			s.put(command(cuda.OpCopyIn, 0, 0, 0, uint64(0), uint64(0), make([]byte, wire.MaxCommand), uint64(wire.MaxCommand)))
		}, "malformed command"},
		{"an unknown opcode", frame(func(b []byte) { le.PutUint16(b[wire.CmdOp:], 65535) }), "unknown (65535)"},
		{"the first opcode that is none", frame(func(b []byte) { le.PutUint16(b[wire.CmdOp:], cuda.OpCount) }), "unknown"},
		{"an unknown version", frame(func(b []byte) { b[wire.CmdVersion] = 1 }), "version 1"},
		{"the largest version", frame(func(b []byte) { le.PutUint16(b[wire.CmdVersion:], 65535) }), "version 65535"},
		{"a slot out of range", frame(func(b []byte) { le.PutUint32(b[wire.CmdSlot:], wire.SlotCount+1) }), fmt.Sprintf("slot %d", wire.SlotCount+1)},
		{"the largest slot number", frame(func(b []byte) { le.PutUint32(b[wire.CmdSlot:], 1<<32-1) }), "slot"},
		{"missing arguments", func(s *session) { s.put(command(cuda.OpMemAlloc, 0, 1, 1)) }, "mem_alloc"},
		{"surplus arguments", func(s *session) { s.put(command(cuda.OpMemInfo, 0, 1, 1, uint64(0))) }, "mem_info"},
		{"a run longer than the command", func(s *session) {
			s.put(command(cuda.OpCopyIn, 0, 0, 0, uint64(0), uint64(0), uint64(1<<40), uint64(1<<40)))
		}, "copy_in"},
		{"a run whose length overflows", func(s *session) {
			s.put(command(cuda.OpCopyIn, 0, 0, 0, uint64(0), uint64(0), uint64(1<<64-2), uint64(1<<64-2)))
		}, "copy_in"},
		{"lengths that differ", func(s *session) {
			s.put(command(cuda.OpCopyIn, 0, 0, 0, uint64(0), uint64(0), make([]byte, 8), uint64(16)))
		}, "copy_in"},
		{"an array larger than the command", func(s *session) {
			s.put(command(cuda.OpGraphAddHost, 0, 1, 1, uint64(20), uint64(0), uint64(1<<61), uint64(1<<61), uint64(0)))
		}, "graph_add_host"},
		{"an id for a new handle that is the worker's", func(s *session) {
			s.put(command(cuda.OpPrimaryRetain, 0, 1, 1, uint64(0), uint64(1<<22)))
		}, "primary_retain"},
		{"an id beyond all handles", func(s *session) {
			s.put(command(cuda.OpPrimaryRetain, 0, 1, 1, uint64(0), uint64(1<<63)))
		}, "primary_retain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := f.open(t)
			c.do(s)
			var reason string
			chain.Soon(t, "the worker ends the session", prompt, func() (ended bool) {
				reason, ended = s.ended()
				return ended && s.over()
			})
			if !strings.Contains(reason, c.want) {
				t.Errorf("the client reads %q, want %q in it", reason, c.want)
			}
			if log := f.cleanEnd(t, s); !strings.Contains(log, c.want) {
				t.Errorf("the log lacks %q:\n%s", c.want, log)
			}
		})
	}
	check()
}

// What a buggy program might do fails its call, and the session goes on.
func TestRefusedArguments(t *testing.T) {
	t.Parallel()
	f := start(t, hostilePool)
	check := f.bystander(t)
	s := f.open(t)
	const context, stream = 16, 17
	s.must(t, cuda.OpPrimaryRetain, 0, uint64(0), uint64(context))
	s.must(t, cuda.OpCuStreamCreateWithPriority, context, uint64(stream), uint64(0), uint64(0))
	p := le.Uint64(s.must(t, cuda.OpMemAlloc, context, uint64(4096)))
	stage, end := s.base+wire.StageOffset, s.base+uint64(len(s.mem))
	// A copy of 3 dimensions from host memory, where each term fits and their sum does not.
	volume := func(host, x, y, z, pitch, rows, width, height, depth uint64) []byte {
		b := make([]byte, 200)
		for at, v := range map[int]uint64{0: x, 8: y, 16: z, 32: 1, 40: host, 72: pitch, 80: rows,
			120: 2, 136: p, 160: 1 << 20, 168: 1 << 10, 176: width, 184: height, 192: depth} {
			le.PutUint64(b[at:], v)
		}
		return b
	}
	for _, c := range []struct {
		name    string
		op      uint16
		context uint32
		args    []any
		want    driver.Result // 0: any error
	}{
		{"a foreign context", cuda.OpMemInfo, 4711, nil, driver.ErrorInvalidContext},
		{"a stream as a context", cuda.OpMemInfo, stream, nil, driver.ErrorInvalidContext},
		{"a foreign stream", cuda.OpCuStreamQuery, context, []any{uint64(4711)}, driver.ErrorInvalidHandle},
		{"a context as a stream", cuda.OpCuStreamQuery, context, []any{uint64(context)}, driver.ErrorInvalidHandle},
		{"the largest handle", cuda.OpCuStreamQuery, context, []any{uint64(1<<64 - 1)}, driver.ErrorInvalidHandle},
		{"a device that is not ours", cuda.OpDeviceFacts, context, []any{uint64(7)}, driver.ErrorInvalidDevice},
		{"a negative device", cuda.OpDeviceFacts, context, []any{uint64(1<<32 - 1)}, driver.ErrorInvalidDevice},
		{"more memory than the quota", cuda.OpMemAlloc, context, []any{uint64(65 << 20)}, driver.ErrorOutOfMemory},
		{"all memory there is", cuda.OpMemAlloc, context, []any{uint64(1<<64 - 1)}, driver.ErrorOutOfMemory},
		{"a pitch allocation that overflows", cuda.OpMemAllocPitch, context, []any{uint64(1 << 40), uint64(1 << 24), uint64(4)}, driver.ErrorOutOfMemory},
		{"a copy from before the region", cuda.OpCopyInRegion, context, []any{p, s.base - 4096, uint64(8), uint64(0)}, driver.ErrorInvalidValue},
		{"a copy from the ring", cuda.OpCopyInRegion, context, []any{p, s.base + wire.RingOffset, uint64(8), uint64(0)}, driver.ErrorInvalidValue},
		{"a copy from across the region's end", cuda.OpCopyInRegion, context, []any{p, end - 8, uint64(16), uint64(0)}, driver.ErrorInvalidValue},
		{"a copy whose end overflows", cuda.OpCopyInRegion, context, []any{p, stage, uint64(1<<64 - 1), uint64(0)}, driver.ErrorInvalidValue},
		{"a copy from another process' address", cuda.OpCopyInRegion, context, []any{p, uint64(0x400000), uint64(8), uint64(0)}, driver.ErrorInvalidValue},
		{"a copy onto the header", cuda.OpCopyOutRegion, context, []any{s.base, p, uint64(8), uint64(0)}, driver.ErrorInvalidValue},
		{"a flag onto the header", cuda.OpWriteFlag, context, []any{uint64(0), s.base, uint64(1)}, driver.ErrorInvalidValue},
		{"a flag at an odd address", cuda.OpWriteFlag, context, []any{uint64(0), stage + 1, uint64(1)}, driver.ErrorInvalidValue},
		{"pinned memory outside", cuda.OpHostAlloc, context, []any{s.base, uint64(4096), uint64(0)}, driver.ErrorInvalidValue},
		{"pinned memory that is not whole pages", cuda.OpHostAlloc, context, []any{end - 4096, uint64(100), uint64(0)}, driver.ErrorInvalidValue},
		{"freeing memory that is not pinned", cuda.OpHostFree, context, []any{end - 4096, uint64(4096)}, driver.ErrorInvalidValue},
		{"freeing memory that is not allocated", cuda.OpMemFree, context, []any{p + 8}, 0},
		{"an image from outside", cuda.OpImageAppend, context, []any{uint64(100), s.base, uint64(100), uint64(1)}, driver.ErrorInvalidValue},
		{"an image of many bytes", cuda.OpImageAppend, context, []any{uint64(1 << 60), stage, uint64(8), uint64(1)}, driver.ErrorInvalidValue},
		{"a place for no managed variables", cuda.OpImagePlace, context, []any{stage, uint64(4096), uint64(0)}, driver.ErrorInvalidValue},
		{"a managed variable of nobody", cuda.OpManagedVariable, context, []any{s.base, []byte("x")}, driver.ErrorInvalidValue},
		{"a module of nothing", cuda.OpModuleLoad, context, []any{uint64(30), []byte{}, uint64(0)}, 0},
		{"a volume beyond the region", cuda.OpCopy3d, context, []any{volume(stage, 0, 0, 0, 0, 0, 1<<30, 1, 1), uint64(0)}, driver.ErrorInvalidValue},
		{"a volume whose pitch overflows", cuda.OpCopy3d, context, []any{volume(stage, 0, 0, 0, 1<<63, 0, 8, 3, 1), uint64(0)}, driver.ErrorInvalidValue},
		{"a volume whose row overflows", cuda.OpCopy3d, context, []any{volume(stage, 0, 1<<64-1, 0, 4096, 0, 8, 2, 1), uint64(0)}, driver.ErrorInvalidValue},
		{"a volume whose layer overflows", cuda.OpCopy3d, context, []any{volume(stage, 0, 0, 1<<64-1, 4096, 4, 8, 1, 2), uint64(0)}, driver.ErrorInvalidValue},
		{"a copy to memory that is not allocated", cuda.OpCopyInRegion, context, []any{p + 1<<40, stage, uint64(8), uint64(0)}, 0},
		{"a copy out of unallocated memory", cuda.OpCopyOutRegion, context, []any{stage, p + 1<<40, uint64(8), uint64(0)}, 0},
		{"a copy out of the region by a device address", cuda.OpCuMemcpyDtoDAsync_v2, context, []any{s.base, p, uint64(8), uint64(0)}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _, ok := s.call(c.op, c.context, c.args...)
			if reason, ended := s.ended(); ended || !ok {
				t.Fatalf("no answer; ended: %v %s", ended, reason)
			}
			if r == driver.Success {
				// A copy may be checked when it runs.
				r, _, _ = s.call(cuda.OpStreamSync, context, uint64(0))
			}
			if r == driver.Success || c.want != 0 && r != c.want {
				t.Errorf("got %v, want %v", r, c.want)
			}
		})
	}
	s.must(t, cuda.OpMemInfo, context)
	f.cleanEnd(t, s)
	check()
}

// A pool in fragments, each of which keeps much more than it holds, is no way beyond the quota: not while it is the
// client's, nor when it has been destroyed, nor by growing.
func TestFragmentedPool(t *testing.T) {
	t.Parallel()
	f := start(t, hostilePool)
	check := f.bystander(t)
	s := f.open(t)
	const context, pool, mib = 16, 17, 1 << 20
	const chunk, piece = 2 * mib, 512 // what pools of software GPUs take at once, and what is left in each
	quota := uint64(hello().GMemMiB) * mib
	s.must(t, cuda.OpPrimaryRetain, 0, uint64(0), uint64(context))
	props := make([]byte, 88)
	le.PutUint32(props, 1)     // pinned
	le.PutUint32(props[8:], 1) // of a device, the first
	s.must(t, cuda.OpCuMemPoolCreate, context, uint64(pool), props)
	s.must(t, cuda.OpCuMemPoolSetAttribute, context, uint64(pool), uint64(4), le.AppendUint64(nil, 1<<64-1))

	pooled := func(n uint64) (uint64, bool) {
		t.Helper()
		r, data, ok := s.call(cuda.OpMemAllocAsync, context, n, uint64(pool), uint64(0))
		if !ok || r != driver.Success && r != driver.ErrorOutOfMemory {
			t.Fatalf("an allocation from the pool: %v, answered: %v", r, ok)
		}
		if r != driver.Success {
			return 0, false
		}
		return le.Uint64(data), true
	}
	free := func(list []uint64) {
		t.Helper()
		for _, p := range list {
			s.must(t, cuda.OpMemFreeAsync, context, p, uint64(0))
		}
		s.must(t, cuda.OpStreamSync, context, uint64(0))
	}
	refused := func(when string, n uint64) {
		t.Helper()
		if r, _, ok := s.call(cuda.OpMemAlloc, context, n); !ok || r != driver.ErrorOutOfMemory {
			t.Errorf("%s: %v, answered: %v", when, r, ok)
		}
	}
	left := func(when string, want uint64) {
		t.Helper()
		if got := le.Uint64(s.must(t, cuda.OpMemInfo, context)); got != want {
			t.Errorf("%s: %d bytes are left, want %d", when, got, want)
		}
	}

	var large, small []uint64
	for len(small) < 10000 { // until the pool must not grow any more
		p, ok := pooled(chunk - piece)
		q, also := pooled(piece)
		if ok {
			large = append(large, p)
		}
		if also {
			small = append(small, q)
		}
		if !ok || !also {
			break
		}
	}
	if uint64(len(small)) != quota/chunk {
		t.Errorf("%d chunks were to be had", len(small))
	}
	free(large)
	refused("beside a pool in fragments", quota/2)
	if p, ok := pooled(quota / 2); ok {
		t.Errorf("the pool has grown to have room at %#x", p)
	}
	before := le.Uint64(s.must(t, cuda.OpMemInfo, context))
	if before > quota/4 {
		t.Fatalf("%d bytes are left: the pool is not in fragments", before)
	}
	s.must(t, cuda.OpCuMemPoolDestroy, context, uint64(pool))
	left("after the pool's end", before)
	refused("beside a destroyed pool in fragments", quota/2)
	free(small)
	s.must(t, cuda.OpMemFree, context, le.Uint64(s.must(t, cuda.OpMemAlloc, context, quota)))
	left("without it", quota)
	f.cleanEnd(t, s)
	check()
}

// A client that is gone while its worker can do nothing but wait leaves no worker behind.
func TestClientGoneWhileTheWorkerIsBlocked(t *testing.T) {
	t.Parallel()
	f := start(t, hostilePool)
	s := f.open(t)
	const context = 16
	s.must(t, cuda.OpPrimaryRetain, 0, uint64(0), uint64(context))
	s.put(command(cuda.OpHostFunc, context, 0, 0, uint64(0), uint64(1))) // never answered
	const event = 17
	s.put(command(cuda.OpCuEventCreate, context, 0, 0, uint64(event), uint64(0)))
	s.put(command(cuda.OpCuEventRecord, context, 0, 0, uint64(event), uint64(0)))
	for range 3000 { // more waits than waiters and their queue hold
		s.put(command(cuda.OpEventWait, context, 2, 1, uint64(event)))
	}
	time.Sleep(100 * time.Millisecond)
	if head := atomic.LoadUint64(s.word64(wire.RingHead)); head == s.tail {
		t.Fatal("the worker was not blocked")
	}
	closed := time.Now()
	f.cleanEnd(t, s)
	t.Logf("over after %v", time.Since(closed))
	f.WaitLeases(t, 0, time.Second)
}

// A second thread that changes commands while they are read gains nothing.
func TestRingChangesWhileItIsRead(t *testing.T) {
	t.Parallel()
	f := start(t, hostilePool)
	check := f.bystander(t)
	sessions, commands := 0, 0
	for end := time.Now().Add(duration() / 4); time.Now().Before(end); sessions++ {
		s := f.open(t)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			flip(s, stop)
		}()
		for range 20000 {
			if _, ended := s.ended(); ended {
				break
			}
			if !s.put(command(cuda.OpCopyIn, 0, 1, 1, uint64(0), uint64(0), make([]byte, 256), uint64(256))) {
				break
			}
			commands++
		}
		close(stop)
		<-done
		f.cleanEnd(t, s)
	}
	t.Logf("%d sessions, %d commands", sessions, commands)
	check()
}

// flip changes words of the ring, near its tail, until stop is closed.
func flip(s *session, stop <-chan struct{}) {
	var x uint64 = 88172645463325252
	for {
		select {
		case <-stop:
			return
		default:
		}
		for range 256 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			at := (atomic.LoadUint64(s.word64(wire.RingTail)) + x%512&^7) % wire.RingSize
			p := s.word64(wire.RingOffset + at)
			old := atomic.LoadUint64(p)
			switch x >> 61 {
			case 0:
				atomic.StoreUint64(p, x)
			case 1:
				atomic.StoreUint64(p, old^1<<(x>>32%64))
			default: // mostly back to what is sound, or the session would end at once
				atomic.StoreUint64(p, binary.LittleEndian.Uint64([]byte{24, 0, 0, 0, cuda.OpMemInfo & 0xff, cuda.OpMemInfo >> 8, 0, 0}))
			}
		}
	}
}
