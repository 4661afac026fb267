// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"sync"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
)

// event is a place to remember a point in a stream, and when it was passed.
type event struct {
	ctx      *context
	id       uint64
	mu       sync.Mutex
	fence    fence
	when     time.Time
	captured *capture // recorded in a capture: what a wait depends on
	after    []*node
	shared   *sharedEvent // of several processes, or nil
}

// recordOp notes the time.
type recordOp struct{ e *event }

func (recordOp) kind() uint32 { return nodeRecord }

func (o recordOp) run(*context) driver.Result {
	o.e.mu.Lock()
	o.e.when = time.Now()
	o.e.mu.Unlock()
	return driver.Success
}

// waitOp of a graph waits for what the event recorded last; of a stream it only carries a fence.
type waitOp struct{ e *event }

func (waitOp) kind() uint32 { return nodeWait }

func (o waitOp) run(*context) driver.Result {
	if o.e != nil {
		o.e.tail().wait()
	}
	return driver.Success
}

func (e *event) tail() fence {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.fence
}

func (t *thread) EventCreate(flags uint32) (driver.Event, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	if flags > 7 || flags&4 != 0 && flags&2 == 0 {
		return 0, driver.ErrorInvalidValue
	}
	e := &event{ctx: c}
	if flags&4 != 0 {
		var err error
		if e.shared, err = newSharedEvent(); err != nil {
			return 0, driver.ErrorOutOfMemory
		}
	}
	e.id = t.d.handles.add(e)
	return driver.Event(e.id), driver.Success
}

func (t *thread) EventDestroy(h driver.Event) driver.Result {
	e, r := find[*event](t.d, h)
	if r == driver.Success {
		t.d.handles.remove(e.id)
		if e.shared != nil {
			e.shared.file.Close() // streams may still use the page
		}
	}
	return r
}

// EventElapsedTime returns milliseconds.
func (t *thread) EventElapsedTime(start, end driver.Event) (float32, driver.Result) {
	var when [2]time.Time
	for i, h := range []driver.Event{start, end} {
		e, r := find[*event](t.d, h)
		if r != driver.Success {
			return 0, r
		}
		if !e.tail().passed() {
			return 0, driver.ErrorNotReady
		}
		e.mu.Lock()
		when[i] = e.when
		e.mu.Unlock()
		if when[i].IsZero() {
			return 0, driver.ErrorInvalidHandle // never recorded, or without times
		}
	}
	return float32(when[1].Sub(when[0]).Seconds() * 1000), driver.Success
}

func (t *thread) EventRecord(h driver.Event, sh driver.Stream) driver.Result {
	return t.EventRecordWithFlags(h, sh, 0)
}

func (t *thread) EventRecordWithFlags(h driver.Event, sh driver.Stream, flags uint32) driver.Result {
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return r
	}
	s, r := t.streamAnywhere(sh)
	if r != driver.Success {
		return r
	}
	if flags&1 != 0 { // external: a node of the graph that is captured
		return t.enqueue(sh, recordOp{e})
	}
	if t.d.recordCaptured(s, e) {
		return driver.Success
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.captured, e.after = nil, nil
	if e.shared != nil {
		e.fence = s.submit(sharedRecordOp{e.shared, e.shared.record()})
		return driver.Success
	}
	e.fence = s.submit(recordOp{e})
	return driver.Success
}

func (t *thread) EventQuery(h driver.Event) driver.Result {
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return r
	}
	if r := e.ctx.result(); r != driver.Success {
		return r
	}
	if e.isCaptured() {
		return driver.ErrorCapturedEvent
	}
	if t.offends() {
		return driver.ErrorStreamCaptureUnsupported
	}
	if e.shared != nil && !e.shared.passed(e.shared.recorded()) || !e.tail().passed() {
		return driver.ErrorNotReady
	}
	return e.ctx.result()
}

func (e *event) isCaptured() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.captured != nil
}

func (t *thread) EventSynchronize(h driver.Event) driver.Result {
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return r
	}
	if e.isCaptured() {
		return driver.ErrorCapturedEvent
	}
	if e.shared != nil {
		e.shared.wait(e.ctx, e.shared.recorded())
	}
	e.tail().wait()
	e.ctx.dev.synchronized()
	return e.ctx.result()
}

func (t *thread) StreamWaitEvent(sh driver.Stream, h driver.Event, flags uint32) driver.Result {
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return r
	}
	s, r := t.stream(sh)
	if r != driver.Success {
		return r
	}
	if flags&1 != 0 {
		return t.enqueue(sh, waitOp{e})
	}
	if captured, r := t.d.waitCaptured(s, e); captured {
		return r
	}
	if e.shared != nil {
		s.submit(sharedWaitOp{e.shared, e.shared.recorded()})
		return driver.Success
	}
	if f := e.tail(); !f.passed() {
		s.submit(waitOp{}, f)
	}
	return driver.Success
}

func (t *thread) CtxRecordEvent(ctx driver.Context, h driver.Event) driver.Result {
	c, r := find[*context](t.d, ctx)
	if r != driver.Success {
		return r
	}
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return r
	}
	c.order.Lock()
	var tails []fence
	for s := range c.streams {
		tails = append(tails, s.tail())
	}
	c.order.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.shared != nil {
		e.fence = c.legacy.submit(sharedRecordOp{e.shared, e.shared.record()}, tails...)
		return driver.Success
	}
	e.fence = c.legacy.submit(recordOp{e}, tails...)
	return driver.Success
}

func (t *thread) CtxWaitEvent(ctx driver.Context, h driver.Event) driver.Result {
	c, r := find[*context](t.d, ctx)
	if r != driver.Success {
		return r
	}
	e, r := find[*event](t.d, h)
	if r != driver.Success {
		return r
	}
	c.order.Lock()
	var streams []*stream
	for s := range c.streams {
		streams = append(streams, s)
	}
	c.order.Unlock()
	for _, s := range streams {
		if e.shared != nil {
			s.submit(sharedWaitOp{e.shared, e.shared.recorded()})
			continue
		}
		s.submit(waitOp{}, e.tail())
	}
	return driver.Success
}
