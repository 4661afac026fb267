// SPDX-License-Identifier: Apache-2.0

// Package carrier is a worker's end of a channel that a stream carries: it stores in the worker's region what
// the client's relay sends, and sends what the worker and its GPUs store. The worker runs its ring as ever, and
// tells of each command before and after.
//
// What it cannot be told is watched: answers and flags that GPUs write, and shared memory. A session that waits
// for nothing costs a look now and then.
package carrier

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/carry/twin"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/cuda/touch"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/proto/wire/ring"
)

// finishTime is for the last words of a session to get out.
const finishTime = 2 * time.Second

// Carrier is one session's. Before and After belong to the goroutine that runs the ring.
type Carrier struct {
	stream io.ReadWriteCloser
	region carry.Region
	base   uint64
	shared *twin.Set
	log    *slog.Logger
	life   *carry.Life
	bell   *os.File // our end of the ring's doorbell

	wake   chan struct{}
	finish chan struct{} // closed when the session has ended
	gone   chan struct{} // closed when the connection has
	done   chan struct{} // closed when the sender has
	closed sync.Once

	touched touch.Command // by the command that is being run
	writes  bool          // it does, also where that is found without its telling
	number  uint64        // of casts that write, so far

	mu       sync.Mutex
	expected []answer
	flags    []touch.Flag
	events   []eventWord
	casts    []*cast
	marks    []uint64 // offsets of words by which streams can tell that they got somewhere

	stored uint64 // bytes put into the ring; the receiver's own
	active atomic.Int64
	sender sender
}

// answer is one that the client waits for.
type answer struct {
	slot   uint64 // offset
	seq    uint32
	writes []touch.Area // complete when it is there
}

// eventWord is a word by which a GPU tells that an event is complete.
type eventWord struct {
	offset uint64
	number uint32 // of the record
}

// cast is a command without answer that writes to the client's memory.
type cast struct {
	number uint64
	writes []touch.Area
	mark   uint64 // offset of the word that becomes value when the memory is written, 0 for none
	value  uint32
	done   atomic.Bool
}

// markOffset is a word in each page of a reply slot that clients have no part in: GPUs can write there.
const markOffset = 0x60

// Start carries region, mapped at base, over stream, and gives up a relay that is silent for too long; a silence of 0
// stands for one whose end the kernel tells. It returns the socket that is the ring's doorbell and life
// line in the client's stead; the caller closes neither.
func Start(stream io.ReadWriteCloser, region []byte, base uint64, silence time.Duration, log *slog.Logger) (c *Carrier, socket int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("make the ring's doorbell: %w", err)
	}
	c = &Carrier{stream: stream, region: region, base: base, shared: twin.New(region), log: log, bell: os.NewFile(uintptr(pair[0]), "doorbell"),
		wake: make(chan struct{}, 1), finish: make(chan struct{}),
		gone: make(chan struct{}), done: make(chan struct{})}
	for i := range uint64(wire.SlotCount) {
		c.marks = append(c.marks, wire.SlotsOffset+i*wire.SlotSize+markOffset)
	}
	c.life = carry.Watch(stream, silence)
	c.sender = newSender(c)
	go c.receive()
	go c.send()
	return c, pair[1], nil
}

func (c *Carrier) close(reason error) {
	c.closed.Do(func() {
		if reason != nil && !errors.Is(reason, io.EOF) {
			c.log.Warn("the connection to the client's relay ended", "reason", reason)
		}
		c.life.Stop()
		c.stream.Close()
		c.bell.Close()
		close(c.gone)
	})
}

// Finish sends what is left, and that and why the session has ended, as the region's status says. It returns
// when that is out, or cannot be got out.
func (c *Carrier) Finish() {
	close(c.finish)
	select {
	case <-c.done:
	case <-time.After(finishTime):
	}
	c.close(nil)
}

// Answered has answers and requests looked for at once: there is one.
func (c *Carrier) Answered() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// TwinBytes is what of this process's memory goes with memory that both sides share, at most.
func (c *Carrier) TwinBytes() uint64 { return c.shared.Bytes() }

// Before notes what a command will answer, signal and write, before it is run.
func (c *Carrier) Before(cmd *ring.Command) {
	t := &c.touched
	t.Of(cmd.Op, cmd.Args)
	first, end := c.base+wire.StageOffset, c.base+uint64(len(c.region))
	t.Writes = slices.DeleteFunc(t.Writes, func(a touch.Area) bool { return !a.Within(first, end) })
	t.Flags = slices.DeleteFunc(t.Flags, func(f touch.Flag) bool {
		return f.Address%4 != 0 || f.Address < first || f.Address > end-4
	})
	// What is shared already shows its changes; what comes to be shared meanwhile may not show all of them.
	c.writes = len(t.Writes) > 0
	t.Writes = slices.DeleteFunc(t.Writes, func(a touch.Area) bool { return c.shared.Contains(a.Address-c.base, 1) })
	switch cmd.Op {
	case cuda.OpEventRecordWord:
		c.beforeRecord(cmd.Args)
	case cuda.OpHostFree:
		if len(cmd.Args) >= 16 {
			c.forget(carry.Uint64(cmd.Args)-c.base, carry.Uint64(cmd.Args[8:]))
		}
	case cuda.OpPrimaryReset:
		c.forget(0, uint64(len(c.region)))
	}
	if cmd.Slot == 0 && len(t.Flags) == 0 {
		return
	}
	c.mu.Lock()
	if cmd.Slot != 0 {
		c.expected = append(c.expected, answer{cmd.SlotOffset(), cmd.Seq, slices.Clone(t.Writes)})
	}
	c.flags = append(c.flags, t.Flags...)
	c.mu.Unlock()
	c.Answered()
}

// beforeRecord notes the record of an event that has a word: event, stream, index of the word, number.
func (c *Carrier) beforeRecord(args []byte) {
	if len(args) != 32 || carry.Uint64(args[16:]) >= wire.EventCount {
		return // the worker refuses it
	}
	c.mu.Lock()
	c.events = append(c.events, eventWord{wire.EventsOffset + 4*carry.Uint64(args[16:]), uint32(carry.Uint64(args[24:]))})
	c.mu.Unlock()
	c.Answered()
}

// forget ends all that concerns memory that the client gives back.
func (c *Carrier) forget(offset, n uint64) {
	c.shared.Remove(offset, n)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.casts {
		k.writes = slices.DeleteFunc(k.writes, func(a touch.Area) bool {
			return a.Address-c.base-offset < n
		})
	}
}

// Marker has a stream, by its id, store value at address when it has done all that it has to do now; where it
// cannot, done is called when it has. False says that neither will be: the stream only records commands.
type Marker func(stream, address uint64, value uint32, done func()) bool

// After follows a command that was run; ok says that it did not fail.
func (c *Carrier) After(cmd *ring.Command, ok bool, mark Marker) {
	if cmd.Slot != 0 || !c.writes {
		return
	}
	c.number++
	k := &cast{number: c.number, value: uint32(c.number)}
	if ok {
		k.writes = slices.Clone(c.touched.Writes)
	}
	c.mu.Lock()
	if n := len(c.marks); n > 0 && len(k.writes) > 0 {
		k.mark, c.marks = c.marks[n-1], c.marks[:n-1]
		c.region.Store32(k.mark, k.value-1)
	}
	c.mu.Unlock()
	address := uint64(0)
	if k.mark != 0 {
		address = c.base + k.mark
	}
	if len(k.writes) == 0 || !mark(c.touched.Stream, address, k.value, func() { k.done.Store(true); c.Answered() }) {
		k.writes = nil
		k.done.Store(true)
	}
	c.mu.Lock()
	c.casts = append(c.casts, k)
	c.mu.Unlock()
	c.Answered()
}

func fewCores() bool { return runtime.NumCPU() < 4 }
