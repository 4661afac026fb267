// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/simt"
)

// stream runs operations one after another on a goroutine of its own, which starts with the first.
//
// The legacy default stream and the blocking ones wait for each other: an operation of the default stream
// runs after all that was submitted to blocking streams before it, and the other way round. An operation
// carries the fences that it waits for, found when it is submitted.
type stream struct {
	ctx      *context
	id       uint64
	blocking bool
	flags    uint32
	priority int32

	mu        sync.Mutex
	wake      *sync.Cond
	queue     []queued
	submitted uint64
	completed atomic.Uint64
	started   bool
	closed    bool

	capture *capture // guarded by Driver.graphs
}

type queued struct {
	op    operation
	after []fence
}

// operation is a piece of work in a stream or a node of a graph.
type operation interface {
	// run does the work. An error other than Success is the context's from then on, if it is sticky.
	run(c *context) driver.Result
	// kind is the CUgraphNodeType.
	kind() uint32
}

// fence is a point in a stream that is passed when all before it has ended.
type fence struct {
	s   *stream
	seq uint64
}

func (f fence) passed() bool { return f.s == nil || f.s.completed.Load() >= f.seq }

func (f fence) wait() {
	if f.passed() {
		return
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for !f.passed() {
		f.s.wake.Wait()
	}
}

func (c *context) newStream(blocking bool) *stream {
	s := &stream{ctx: c, blocking: blocking}
	s.wake = sync.NewCond(&s.mu)
	c.order.Lock()
	c.streams[s] = struct{}{}
	c.order.Unlock()
	return s
}

func (s *stream) tail() fence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fence{s, s.submitted}
}

// submit queues an operation behind its stream's others and the given fences.
func (s *stream) submit(op operation, after ...fence) fence {
	c := s.ctx
	c.order.Lock()
	defer c.order.Unlock()
	switch {
	case s == c.legacy:
		for o := range c.streams {
			if o != s && o.blocking {
				if f := o.tail(); !f.passed() {
					after = append(after, f)
				}
			}
		}
	case s.blocking:
		if f := c.legacy.tail(); !f.passed() {
			after = append(after, f)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.submitted++
	s.queue = append(s.queue, queued{op, after})
	if !s.started {
		s.started = true
		c.d.wg.Go(s.loop)
	}
	s.wake.Broadcast()
	return fence{s, s.submitted}
}

// close makes the goroutine end when the queue is empty.
func (s *stream) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wake.Broadcast()
}

func (s *stream) loop() {
	debug.SetPanicOnFault(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.queue) == 0 && !s.closed {
			s.wake.Wait()
		}
		if len(s.queue) == 0 {
			return
		}
		q := s.queue[0]
		s.queue[0] = queued{}
		if s.queue = s.queue[1:]; len(s.queue) == 0 {
			s.queue = nil
		}
		s.mu.Unlock()
		for _, f := range q.after {
			f.wait()
		}
		s.ctx.execute(q.op)
		s.mu.Lock()
		s.completed.Add(1)
		s.wake.Broadcast()
	}
}

// execute runs an operation unless the context is lost.
func (c *context) execute(op operation) (r driver.Result) {
	if r := c.result(); r != driver.Success {
		return r
	}
	defer func() {
		if p := recover(); p != nil { // host memory that is not there
			f := &simt.Fault{Kind: simt.IllegalAddress, Kernel: fmt.Sprintf("(operation of kind %d)", op.kind()), Detail: fmt.Sprint(p)}
			r = c.fail(f)
		}
	}()
	if r = op.run(c); r != driver.Success {
		c.fault.CompareAndSwap(0, int32(r))
	}
	return r
}

// stream returns what a handle names, within the current context for the fixed ones.
func (t *thread) stream(h driver.Stream) (*stream, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return nil, r
	}
	switch h {
	case driver.StreamDefault, driver.StreamLegacy:
		return c.legacy, driver.Success
	case driver.StreamPerThread:
		return c.perHost, driver.Success
	}
	s, r := find[*stream](t.d, h)
	if r != driver.Success {
		return nil, r
	}
	return s, s.ctx.result()
}

// streamAnywhere is stream for calls that need no current context if the stream is not a default one.
func (t *thread) streamAnywhere(h driver.Stream) (*stream, driver.Result) {
	if t.current == nil && h > driver.StreamPerThread {
		s, r := find[*stream](t.d, h)
		if r != driver.Success {
			return nil, r
		}
		return s, s.ctx.result()
	}
	return t.stream(h)
}

// enqueue puts an operation into a stream, or into the graph that the stream is being captured into.
func (t *thread) enqueue(h driver.Stream, op operation) driver.Result {
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	if captured, r := t.d.captured(s, op); captured {
		return r
	}
	s.awaitRoom()
	s.submit(op)
	return driver.Success
}

// maxQueued bounds what a stream has to do: more waits, as with a real GPU, whose queues are shorter still.
const maxQueued = 16384

func (s *stream) awaitRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) >= maxQueued && !s.closed {
		s.wake.Wait()
	}
}

// now runs an operation in a stream and waits for it.
func (t *thread) now(h driver.Stream, op operation) driver.Result {
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	if t.d.isCaptured(s) || s == s.ctx.legacy && s.ctx.capturing() {
		return driver.ErrorStreamCaptureImplicit
	}
	s.submit(op).wait()
	return s.ctx.result()
}

func (t *thread) StreamCreateWithPriority(flags uint32, priority int32) (driver.Stream, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	if flags > 1 {
		return 0, driver.ErrorInvalidValue
	}
	s := c.newStream(flags&1 == 0)
	s.flags, s.priority = flags, priority
	s.id = t.d.handles.add(s)
	return driver.Stream(s.id), driver.Success
}

func (t *thread) StreamDestroy(h driver.Stream) driver.Result {
	s, r := find[*stream](t.d, h)
	if r != driver.Success {
		return r
	}
	t.d.endCapture(s)
	t.d.handles.remove(s.id)
	s.close()
	s.ctx.order.Lock()
	defer s.ctx.order.Unlock()
	if s.tail().passed() {
		delete(s.ctx.streams, s)
		return driver.Success
	}
	// Its work goes on; the context waits for it, and forgets it then.
	s.ctx.d.wg.Go(func() {
		s.tail().wait()
		s.ctx.order.Lock()
		defer s.ctx.order.Unlock()
		delete(s.ctx.streams, s)
	})
	return driver.Success
}

func (t *thread) StreamSynchronize(h driver.Stream) driver.Result {
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	if t.d.invalidate(s) {
		return driver.ErrorStreamCaptureUnsupported
	}
	for _, f := range s.pending() {
		f.wait()
	}
	s.ctx.dev.synchronized()
	return s.ctx.result()
}

// pending are the fences that the stream is idle behind: the default stream counts the blocking ones too.
func (s *stream) pending() (list []fence) {
	list = append(list, s.tail())
	if s == s.ctx.legacy {
		s.ctx.order.Lock()
		defer s.ctx.order.Unlock()
		for o := range s.ctx.streams {
			if o.blocking && o != s {
				list = append(list, o.tail())
			}
		}
	}
	return list
}

// idle says whether an operation submitted now would run at once.
func (s *stream) idle() bool {
	for _, f := range s.pending() {
		if !f.passed() {
			return false
		}
	}
	return !s.blocking || s.ctx.legacy.tail().passed()
}

func (t *thread) StreamQuery(h driver.Stream) driver.Result {
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	if t.d.invalidate(s) {
		return driver.ErrorStreamCaptureUnsupported
	}
	for _, f := range s.pending() {
		if !f.passed() {
			return driver.ErrorNotReady
		}
	}
	return s.ctx.result()
}

// Attributes of streams are kept by nobody: they are hints here.
func (t *thread) StreamCopyAttributes(dst, src driver.Stream) driver.Result {
	_, r := t.stream(dst)
	return r
}

func (t *thread) StreamGetAttribute(h driver.Stream, _ uint32, value []byte) driver.Result {
	_, r := t.stream(h)
	clear(value)
	return r
}

func (t *thread) StreamSetAttribute(h driver.Stream, _ uint32, _ []byte) driver.Result {
	_, r := t.stream(h)
	return r
}
