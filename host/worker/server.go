// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/host/carrier"
	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/managed"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/proto/wire/ring"
)

// server runs the commands of one session. Its fields belong to the ring goroutine, but for what waiters and
// watch guard themselves.
type server struct {
	cfg     Config
	log     *slog.Logger
	region  *region
	api     driver.API
	handles *handleTable
	memory  *memory
	waiters *waiters
	watch   *watch
	monitor *monitor
	calls   *hostCalls
	console *console
	prints  bool // a kernel may print: synchronise through the driver, which then writes the text out

	current   driver.Context                   // of the ring goroutine's API
	contextID uint32                           // as the last command named it
	home      driver.Context                   // the first device's primary context, in which the region is registered
	primaries map[driver.Device]driver.Context // that the client has retained
	captures  map[driver.Stream]bool           // that the client has put into capture
	dot       []byte                           // the graph that was drawn last
	lenient   bool                             // the ring goroutine's API may do what is potentially unsafe beside captures
	dirty     map[driver.Context]*dirtyStreams
	owners    map[driver.Stream]driver.Context // in which streams were made
	image     []byte                           // being sent in pieces
	gpuFlags  bool                             // the backend's streams can answer fences themselves
	staged    uint64                           // bit i: part i of staging is registered, or the driver has refused

	linked     map[driver.LinkState][]byte  // images that the linker made
	imageBytes uint64                       // of the image that is being sent, when complete
	managed    *managed.Image               // of the image that was sent, if it has managed variables
	placed     map[driver.HostPtr]placement // managed variables
	words      map[driver.Event]eventWord   // of the latest records
	greens     greens
	objects    objects
	shares     shares
	mail       *mail

	userObjects userObjects

	carrier *carrier.Carrier // nil where the client shares the region

	hostMemory *hostMemory // nil: no bound
	over       sync.Once   // of the first that finds the session over

	lost         sync.Once // tells of a lost context
	lateFailures int       // that the log has been told of

	opened, registered time.Duration // what opening the driver took, 0 on standby, and registering the region

	launchConfig driver.LaunchConfig // reused by every launch
	asyncSeq     uint32
}

// newServer is a server without a log, a home context and a client's socket.
func newServer(cfg Config, r *region, drv driver.Driver, api driver.API, m *memory) *server {
	s := &server{
		cfg: cfg, region: r, api: api, handles: newHandleTable(), memory: m,
		waiters: newWaiters(drv), watch: newWatch(drv), monitor: newMonitor(drv, cfg.VGPUs), calls: &hostCalls{region: r}, console: newConsole(r),
		primaries: map[driver.Device]driver.Context{}, captures: map[driver.Stream]bool{}, dirty: map[driver.Context]*dirtyStreams{},
		owners: map[driver.Stream]driver.Context{}, words: map[driver.Event]eventWord{},
		linked: map[driver.LinkState][]byte{}, placed: map[driver.HostPtr]placement{}, objects: newObjects(), mail: newMail(-1),
	}
	m.observe, m.relaxed = s.observeFrees, s.besideCaptures
	return s
}

// serve runs commands until the client is gone or breaks the protocol.
func (s *server) serve(r *consumer) error {
	a := newArgs()
	reply := &reply{region: s.region}
	for {
		c, err := r.next()
		if err != nil {
			return err
		}
		s.hostMemory.note()
		a.reset(c.Args)
		reply.reset(c.SlotOffset(), c.Seq)
		if s.carrier != nil {
			s.carrier.Before(&c)
		}
		result := s.run(c, a, reply)
		if s.carrier != nil {
			s.carrier.After(&c, result == driver.Success, s.mark)
		}
		if a.malformed {
			reply.send(driver.ErrorInvalidValue)
			return fmt.Errorf("malformed %s command: %d bytes of arguments", opName(c.Op), len(c.Args))
		}
		if result != driver.Success && result != pending && result != driver.ErrorNotReady {
			s.logFailure(c, result)
		}
		if result.Sticky() {
			s.contextLost(result, opName(c.Op))
		}
		switch {
		case result == pending:
		case c.Slot != 0:
			reply.send(result)
		case result != driver.Success:
			s.reportAsync(result)
		}
	}
}

// logFailure tells of a command that has failed. What nobody waited for, the program hears of with a later call, which has
// nothing to do with it: the first of these are worth telling.
func (s *server) logFailure(c ring.Command, r driver.Result) {
	const most = 10
	level := slog.LevelDebug
	if c.Slot == 0 && s.lateFailures < most {
		level = slog.LevelInfo
		s.lateFailures++
	}
	s.log.Log(context.Background(), level, "a command failed", "command", opName(c.Op), "result", r.Error(), "queued", c.Slot == 0)
}

func (s *server) run(c ring.Command, a *args, reply *reply) driver.Result {
	if c.Context != s.contextID {
		if r := s.setContext(c.Context); r != driver.Success {
			return r
		}
	}
	if len(s.captures) > 0 && s.lenient == c.Strict {
		s.lenient = lenient(s.api, !c.Strict)
	}
	s.beforeEnd(c.Op, a)
	stream := s.capturedStream(c.Op, a)
	context := s.endingContext(c.Op, a)
	ending, node := s.endingNodes(c.Op, a)
	created := a.peek()
	result := s.dispatchUnasked(c.Op, a, reply)
	if c.Op == cuda.OpCuStreamEndCapture && endsCapture(result) {
		delete(s.captures, stream)
	}
	if result == driver.Success {
		switch c.Op {
		case cuda.OpCuStreamBeginCapture_v2, cuda.OpCuStreamBeginCaptureToGraph:
			s.captures[stream] = true
		case cuda.OpCuCtxCreate_v2, cuda.OpCuCtxDestroy_v2: // both change what is current
			s.forgetContext()
			if c.Op == cuda.OpCuCtxDestroy_v2 {
				s.memory.forgetContext(context)
			}
		case cuda.OpCuGraphDestroy, cuda.OpCuGraphDestroyNode:
			s.forget(ending)
		case cuda.OpCuGraphChildGraphNodeGetGraph:
			if child, r := s.api.GraphChildGraphNodeGetGraph(node); r == driver.Success {
				s.objects.within[node] = []driver.Graph{child}
			}
		case cuda.OpCuStreamCreateWithPriority:
			if v, ok := s.handles.lookup(created, cuda.KindStream); ok {
				s.owners[driver.Stream(v)] = s.current
			}
		case cuda.OpCuStreamDestroy_v2:
			delete(s.captures, stream)
			delete(s.owners, stream)
			if d := s.dirty[s.current]; d != nil {
				d.many = true // what it still has to do, only the driver knows
			}
			for _, d := range s.dirty {
				d.forget(stream)
			}
		}
	}
	return result
}

// endingNodes are the handles that a command is about to end with a graph or node, and the node that it names.
func (s *server) endingNodes(op uint16, a *args) (list []handle, node driver.GraphNode) {
	switch op {
	case cuda.OpCuGraphDestroy:
		if g, ok := s.handles.lookup(a.peek(), cuda.KindGraph); ok {
			list = s.namedIn(driver.Graph(g))
		}
	case cuda.OpCuGraphDestroyNode, cuda.OpCuGraphChildGraphNodeGetGraph:
		if n, ok := s.handles.lookup(a.peek(), cuda.KindGraphNode); ok {
			node = driver.GraphNode(n)
		}
		if op == cuda.OpCuGraphDestroyNode {
			list = s.namedBy(node)
		}
	}
	return list, node
}

// endingContext is the context that a command destroys.
func (s *server) endingContext(op uint16, a *args) driver.Context {
	if op != cuda.OpCuCtxDestroy_v2 {
		return 0
	}
	v, _ := s.handles.lookup(a.peek(), cuda.KindContext)
	return driver.Context(v)
}

// dispatchUnasked dispatches a command; the watch asks nothing while one may put a stream into capture.
func (s *server) dispatchUnasked(op uint16, a *args, reply *reply) driver.Result {
	switch op {
	case cuda.OpCuStreamWaitEvent:
		if len(s.captures) == 0 {
			break
		}
		fallthrough
	case cuda.OpCuStreamBeginCapture_v2, cuda.OpCuStreamBeginCaptureToGraph:
		s.watch.asking.Lock()
		defer s.watch.asking.Unlock()
	}
	return s.dispatch(s.api, op, a, reply)
}

// capturedStream is the stream that a command begins or ends to capture, or destroys.
func (s *server) capturedStream(op uint16, a *args) driver.Stream {
	switch op {
	case cuda.OpCuStreamBeginCapture_v2, cuda.OpCuStreamBeginCaptureToGraph, cuda.OpCuStreamEndCapture, cuda.OpCuStreamDestroy_v2:
		v, _ := s.handles.lookup(a.peek(), cuda.KindStream)
		return driver.Stream(v)
	}
	return 0
}

// lenient says of a thread of the driver whether it may do what is potentially unsafe while a stream is captured, and
// returns how it is then. All of the client's threads have one thread here, so that theirs cannot be the driver's to
// judge: the client says of each command whether its thread has to be strict.
func lenient(api driver.API, want bool) bool {
	const global, relaxed = 0, 2
	mode := uint32(global)
	if want {
		mode = relaxed
	}
	if _, r := api.ThreadExchangeStreamCaptureMode(mode); r != driver.Success {
		return !want
	}
	return want
}

// besideCaptures runs what is potentially unsafe while a stream is captured, but has nothing to do with the capture.
func (s *server) besideCaptures(api driver.API, run func()) {
	if len(s.captures) == 0 || s.lenient {
		run()
		return
	}
	lenient(api, true)
	run()
	lenient(api, false)
}

// endsCapture says whether a stream is out of capture after cuStreamEndCapture: a capture that has gone wrong
// ends as well.
func endsCapture(r driver.Result) bool {
	switch r {
	case driver.Success, driver.ErrorStreamCaptureInvalidated, driver.ErrorStreamCaptureMerge,
		driver.ErrorStreamCaptureUnjoined, driver.ErrorStreamCaptureIsolation:
		return true
	}
	return false
}

// beforeEnd has the watch forget what a command is about to destroy, and ends what is shared of it.
func (s *server) beforeEnd(op uint16, a *args) {
	switch op {
	case cuda.OpCuStreamDestroy_v2:
		if v, ok := s.handles.lookup(a.peek(), cuda.KindStream); ok {
			s.watch.forget(func(e watched) bool { return e.stream == driver.Stream(v) })
		}
	case cuda.OpCuCtxDestroy_v2, cuda.OpPrimaryReset:
		s.watch.forget(func(watched) bool { return true })
		v, ok := s.handles.lookup(a.peek(), cuda.KindContext)
		s.withdraw(func(t sharedThing, o offer) bool {
			return t.kind != sharedHandle && t.kind != sharedPool && (op == cuda.OpPrimaryReset || ok && uint64(o.context) == v)
		})
		if op == cuda.OpCuCtxDestroy_v2 && ok && v != 0 {
			s.releaseHosts(driver.Context(v))
		}
	case cuda.OpCuEventDestroy_v2:
		if v, ok := s.handles.lookup(a.peek(), cuda.KindEvent); ok {
			s.withdrawOne(sharedEvent, v)
			delete(s.words, driver.Event(v))
		}
	case cuda.OpCuMemPoolDestroy:
		if v, ok := s.handles.lookup(a.peek(), cuda.KindMemPool); ok {
			s.withdrawOne(sharedPool, v)
		}
	}
}

// setContext makes a context current. One that the client has named but not retained yet is none: libraries
// are loaded before, and what needs a context is refused by the driver.
func (s *server) setContext(id uint32) driver.Result {
	v, known := s.handles.lookup(uint64(id), cuda.KindContext)
	if ctx := driver.Context(v); ctx != s.current {
		if r := s.api.CtxSetCurrent(ctx); r != driver.Success {
			return r
		}
		s.current = ctx
	}
	if !known {
		id = 0 // look again next time
	}
	s.contextID = id
	return driver.Success
}

// contextLost tells in the session's log what was the first to say that kernels have failed: all that the program does
// from then on fails by it.
func (s *server) contextLost(r driver.Result, seen string) {
	s.lost.Do(func() {
		s.log.Warn("a context of the program is lost", "result", r.Error(), "seen", seen)
	})
}

// reportAsync tells the client of a failure of a command that it did not wait for.
func (s *server) reportAsync(r driver.Result) {
	s.region.store32(wire.StatusAsyncCode, uint32(r))
	s.asyncSeq++
	s.region.store32(wire.StatusAsyncSeq, s.asyncSeq)
}

func opName(op uint16) string {
	if op < cuda.OpCount && cuda.OpNames[op] != "" {
		return cuda.OpNames[op]
	}
	return fmt.Sprintf("unknown (%d)", op)
}

// end tells the client that the session is over and why.
func (s *server) end(result driver.Result, reason string) {
	b := s.region.bytes(wire.StatusMessage, wire.StatusMessageBytes)
	clear(b)
	copy(b[:len(b)-1], reason)
	s.region.store32(wire.StatusEnded, uint32(result))
}
