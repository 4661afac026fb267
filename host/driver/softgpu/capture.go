// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"slices"
	"sync/atomic"

	"github.com/orion-vgpu/orion/host/driver"
)

// capture turns what is submitted to streams into nodes of a graph. Driver.graphs guards it.
type capture struct {
	id      uint64
	graph   *graph
	origin  *stream
	joined  map[*stream][]*node // streams in the capture, and what their next operation depends on
	invalid bool
	given   bool // the graph is the program's

	thread *thread // that has begun it
	mode   uint32
}

// Modes of captures and threads.
const (
	modeGlobal  = 0
	modeRelaxed = 2
)

var captureIDs atomic.Uint64

// captured adds an operation to the graph that a stream is captured into; the first result is false if it is
// captured into none.
func (d *Driver) captured(s *stream, op operation) (bool, driver.Result) {
	d.graphs.Lock()
	defer d.graphs.Unlock()
	c := s.capture
	if c == nil {
		return false, driver.Success
	}
	if c.invalid {
		return true, driver.ErrorStreamCaptureInvalidated
	}
	if l, ok := op.(launchOp); ok { // a graph launched in a capture becomes a child
		child := d.newGraph()
		var nodes []*node
		for _, st := range l.steps {
			var on []*node
			for _, i := range st.on {
				on = append(on, nodes[i])
			}
			o := d.copied(st.op)
			if st.off {
				o = emptyOp{}
			}
			nodes = append(nodes, d.add(child, o, on))
		}
		child.holds = l.holds.clone()
		op = childOp{child}
	}
	c.joined[s] = []*node{d.add(c.graph, op, c.joined[s])}
	return true, driver.Success
}

// offends says whether the thread must not do what is potentially unsafe, for the sake of what is being captured. It
// spoils the captures that it offends.
func (t *thread) offends() (offence bool) {
	if t.mode == modeRelaxed {
		return false
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	for c := range t.d.captures {
		if c.thread == t && c.mode != modeRelaxed || c.thread != t && c.mode == modeGlobal && t.mode == modeGlobal {
			c.invalid, offence = true, true
		}
	}
	return offence
}

func (d *Driver) isCaptured(s *stream) bool {
	d.graphs.Lock()
	defer d.graphs.Unlock()
	return s.capture != nil
}

// invalidate spoils the capture of a stream, if there is one, by a call that cannot be captured.
func (d *Driver) invalidate(s *stream) bool {
	d.graphs.Lock()
	defer d.graphs.Unlock()
	if s.capture == nil {
		return false
	}
	s.capture.invalid = true
	return true
}

// capturing says whether a blocking stream of the context is captured: the default stream is then out of use.
func (c *context) capturing() bool {
	c.order.Lock()
	streams := make([]*stream, 0, len(c.streams))
	for s := range c.streams {
		streams = append(streams, s)
	}
	c.order.Unlock()
	c.d.graphs.Lock()
	defer c.d.graphs.Unlock()
	return slices.ContainsFunc(streams, func(s *stream) bool { return s.blocking && s.capture != nil })
}

// recordCaptured records an event in a capture.
func (d *Driver) recordCaptured(s *stream, e *event) bool {
	d.graphs.Lock()
	defer d.graphs.Unlock()
	if s.capture == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.captured, e.after = s.capture, slices.Clone(s.capture.joined[s])
	return true
}

// waitCaptured makes a stream wait for an event within a capture, which draws the stream into it.
func (d *Driver) waitCaptured(s *stream, e *event) (bool, driver.Result) {
	d.graphs.Lock()
	defer d.graphs.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	switch c := e.captured; {
	case c == nil && s.capture == nil:
		return false, driver.Success
	case c == nil:
		s.capture.invalid = true
		return true, driver.ErrorStreamCaptureIsolation
	case s.capture == nil:
		if s == s.ctx.legacy {
			return true, driver.ErrorStreamCaptureImplicit
		}
		s.capture = c
		c.joined[s] = slices.Clone(e.after)
	case s.capture != c:
		return true, driver.ErrorStreamCaptureMerge
	default:
		for _, n := range e.after {
			if !slices.Contains(c.joined[s], n) {
				c.joined[s] = append(c.joined[s], n)
			}
		}
	}
	return true, driver.Success
}

// endCapture takes a stream that is destroyed out of its capture. Without its origin a capture is over; what another
// stream has done stays in it, and is to be waited for like all else.
func (d *Driver) endCapture(s *stream) {
	d.graphs.Lock()
	defer d.graphs.Unlock()
	if c := s.capture; c != nil {
		if c.origin == s {
			delete(d.captures, c)
			c.invalid = true
		}
		s.capture = nil
	}
}

func (t *thread) ThreadExchangeStreamCaptureMode(mode uint32) (uint32, driver.Result) {
	if mode > modeRelaxed {
		return 0, driver.ErrorInvalidValue
	}
	old := t.mode
	t.mode = mode
	return old, driver.Success
}

func (t *thread) StreamBeginCapture(h driver.Stream, mode uint32) driver.Result {
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	return t.beginCapture(s, mode, nil, nil)
}

// beginCapture captures into a graph, a new one if it is nil. The caller holds Driver.graphs.
func (t *thread) beginCapture(s *stream, mode uint32, into *graph, after []*node) driver.Result {
	switch {
	case mode > modeRelaxed:
		return driver.ErrorInvalidValue
	case s == s.ctx.legacy:
		return driver.ErrorStreamCaptureUnsupported
	case s.capture != nil:
		return driver.ErrorIllegalState
	}
	c := &capture{id: captureIDs.Add(1), graph: into, given: into != nil, origin: s, thread: t, mode: mode,
		joined: map[*stream][]*node{s: after}}
	if into == nil {
		c.graph = t.d.newGraph()
	}
	s.capture = c
	t.d.captures[c] = struct{}{}
	return driver.Success
}

func (t *thread) StreamBeginCaptureToGraph(h driver.Stream, gh driver.Graph, deps []driver.GraphNode, data []byte, _ uint64, mode uint32) driver.Result {
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	g, r := find[*graph](t.d, gh)
	if r != driver.Success {
		return r
	}
	if special(data) {
		return driver.ErrorNotSupported
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	after, r := t.nodesOf(g, deps)
	if r != driver.Success {
		return r
	}
	return t.beginCapture(s, mode, g, after)
}

// special says whether data of dependencies asks for more than order: captures keep order only.
func special(data []byte) bool {
	return slices.ContainsFunc(data, func(b byte) bool { return b != 0 })
}

func (t *thread) StreamEndCapture(h driver.Stream) (driver.Graph, driver.Result) {
	s, r := t.stream(h)
	if r != driver.Success {
		return 0, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	c := s.capture
	switch {
	case c == nil:
		return 0, driver.ErrorIllegalState
	case c.origin != s:
		return 0, driver.ErrorStreamCaptureUnmatched
	case c.thread != t && c.mode != modeRelaxed:
		return 0, driver.ErrorStreamCaptureWrongThread
	}
	delete(t.d.captures, c)
	for o := range c.joined {
		o.capture = nil
	}
	s.capture = nil
	r = driver.Success
	if c.invalid {
		r = driver.ErrorStreamCaptureInvalidated
	} else if c.unjoined() {
		r = driver.ErrorStreamCaptureUnjoined
	}
	if r != driver.Success {
		if !c.given {
			t.d.destroyGraph(c.graph)
		}
		return 0, r
	}
	return driver.Graph(c.graph.id), driver.Success
}

// unjoined says whether a stream that was drawn in has work that the origin does not wait for.
func (c *capture) unjoined() bool {
	reached := map[*node]bool{}
	work := slices.Clone(c.joined[c.origin])
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		if !reached[n] {
			reached[n] = true
			work = append(work, n.on...)
		}
	}
	for _, last := range c.joined {
		for _, n := range last {
			if !reached[n] {
				return true
			}
		}
	}
	return false
}

// status is a CUstreamCaptureStatus.
func (c *capture) status() uint32 {
	switch {
	case c == nil:
		return 0
	case c.invalid:
		return 2
	}
	return 1
}

func (t *thread) StreamIsCapturing(h driver.Stream) (uint32, driver.Result) {
	s, r := t.stream(h)
	if r != driver.Success {
		return 0, r
	}
	if s == s.ctx.legacy && s.ctx.capturing() {
		return 0, driver.ErrorStreamCaptureImplicit
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	return s.capture.status(), driver.Success
}

func (t *thread) CaptureInfo(h driver.Stream) (driver.CaptureInfo, driver.Result) {
	s, r := t.stream(h)
	if r != driver.Success {
		return driver.CaptureInfo{}, r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	c := s.capture
	info := driver.CaptureInfo{Status: c.status()}
	if c == nil || c.invalid {
		return info, driver.Success
	}
	info.ID, info.Graph = c.id, driver.Graph(c.graph.id)
	for _, n := range c.joined[s] {
		info.Dependencies = append(info.Dependencies, driver.GraphEdge{From: driver.GraphNode(n.id)})
	}
	return info, driver.Success
}

func (t *thread) StreamUpdateCaptureDependenciesV2(h driver.Stream, deps []driver.GraphNode, data []byte, n uint64, flags uint32) driver.Result {
	if special(data) {
		return driver.ErrorNotSupported
	}
	return t.StreamUpdateCaptureDependencies(h, deps, n, flags)
}

func (t *thread) StreamUpdateCaptureDependencies(h driver.Stream, deps []driver.GraphNode, _ uint64, flags uint32) driver.Result {
	s, r := t.stream(h)
	if r != driver.Success {
		return r
	}
	t.d.graphs.Lock()
	defer t.d.graphs.Unlock()
	c := s.capture
	if c == nil || c.invalid || flags > 1 {
		return driver.ErrorIllegalState
	}
	nodes, r := t.nodesOf(c.graph, deps)
	if r != driver.Success {
		return r
	}
	if flags == 1 { // set, not add
		c.joined[s] = nil
	}
	for _, n := range nodes {
		if !slices.Contains(c.joined[s], n) {
			c.joined[s] = append(c.joined[s], n)
		}
	}
	return driver.Success
}
