// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// slowGPU takes until ready is closed, and counts how often it was asked.
type slowGPU struct {
	driver.Driver
	ready chan struct{}
	asked atomic.Uint32
	links []driver.GPULink
	err   error
}

func (g *slowGPU) GPUState(uuid string) (wire.GPUState, error) {
	<-g.ready
	s := wire.UnknownState(uuid)
	s.Temperature = g.asked.Add(1)
	return s, g.err
}

func (g *slowGPU) GPULinks(string) ([]driver.GPULink, error) {
	<-g.ready
	return g.links, g.err
}

// poll asks for a state until there is an answer.
func poll(t *testing.T, m *monitor) ([]byte, driver.Result) {
	t.Helper()
	return pollFor(t, m, question{uuid: "GPU-1"})
}

func pollFor(t *testing.T, m *monitor, q question) ([]byte, driver.Result) {
	t.Helper()
	for range 1000 {
		if answer, r := m.ask(q); r != driver.ErrorNotReady {
			return answer, r
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no answer within 5 s")
	return nil, 0
}

func TestMonitorAnswersAtOnce(t *testing.T) {
	t.Parallel()
	g := &slowGPU{ready: make(chan struct{})}
	m := newMonitor(g, nil)
	m.period, m.linger = time.Millisecond, 50*time.Millisecond
	for range 3 {
		if _, r := m.ask(question{uuid: "GPU-1"}); r != driver.ErrorNotReady {
			t.Fatalf("while the driver is at it: %v, want ErrorNotReady", r)
		}
	}
	close(g.ready)
	state, r := poll(t, m)
	if r != driver.Success || len(state) != wire.GPUStateSize {
		t.Fatalf("state of %d bytes, %v", len(state), r)
	}
	if got := binary.LittleEndian.Uint32(state); got != wire.GPUUnknown {
		t.Errorf("first number is %d, want none", got)
	}
	first := binary.LittleEndian.Uint32(state[8:])
	for deadline := time.Now().Add(30 * time.Second); ; {
		if state, _ := poll(t, m); binary.LittleEndian.Uint32(state[8:]) > first {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the state is never read again")
		}
	}
}

// Who looks often sees numbers move, as on NVML itself.
func TestStateIsFresh(t *testing.T) {
	t.Parallel()
	g := &slowGPU{ready: make(chan struct{})}
	close(g.ready)
	m := newMonitor(g, nil)
	for start := time.Now(); g.asked.Load() < 10; time.Sleep(5 * time.Millisecond) {
		poll(t, m)
		if time.Since(start) > 30*time.Second {
			t.Fatalf("read %d times in 30 s, want 10 at least", g.asked.Load())
		}
	}
}

// Nothing is read when nobody asks.
func TestMonitorEnds(t *testing.T) {
	t.Parallel()
	g := &slowGPU{ready: make(chan struct{})}
	close(g.ready)
	m := newMonitor(g, nil)
	m.period, m.linger = time.Millisecond, 20*time.Millisecond
	poll(t, m)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		n := len(m.samples)
		m.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the state is still read, 30 s after the last question")
		}
	}
	if _, r := poll(t, m); r != driver.Success {
		t.Errorf("asked again: %v", r)
	}
}

func TestMonitorWithoutAnswers(t *testing.T) {
	t.Parallel()
	g := &slowGPU{ready: make(chan struct{}), err: errors.New("the GPU is lost")}
	close(g.ready)
	if _, r := poll(t, newMonitor(g, nil)); r != driver.ErrorNotSupported {
		t.Errorf("of a GPU that is lost: %v, want ErrorNotSupported", r)
	}
	var mute struct{ driver.Driver }
	if _, r := newMonitor(mute, nil).ask(question{uuid: "GPU-1"}); r != driver.ErrorNotSupported {
		t.Errorf("of a backend that knows nothing: %v, want ErrorNotSupported", r)
	}
}

// A session hears of links to its own GPUs and to switches, and not that others exist.
func TestLinksOfOthersAreHidden(t *testing.T) {
	t.Parallel()
	link := func(bus uint32, toGPU bool, peer string) driver.GPULink {
		return driver.GPULink{GPULink: wire.GPULink{Active: 1, RemoteBus: bus}, ToGPU: toGPU, Peer: peer}
	}
	g := &slowGPU{ready: make(chan struct{}), links: []driver.GPULink{
		link(10, true, "GPU-2"), link(11, true, "GPU-3"), link(12, false, ""), link(13, true, ""),
	}}
	close(g.ready)
	m := newMonitor(g, []VGPU{{UUID: "GPU-1"}, {UUID: "GPU-2"}})
	got, r := pollFor(t, m, question{"GPU-1", true})
	if r != driver.Success || len(got) != wire.GPULinksSize {
		t.Fatalf("links of %d bytes, %v", len(got), r)
	}
	const bus = 24
	for i, want := range []uint32{10, wire.GPUUnknown, 12, wire.GPUUnknown, wire.GPUUnknown} {
		active, at := binary.LittleEndian.Uint32(got[i*wire.GPULinkSize:]), binary.LittleEndian.Uint32(got[i*wire.GPULinkSize+bus:])
		if at != want || (active == 1) != (want != wire.GPUUnknown) {
			t.Errorf("link %d is %#x and leads to bus %#x, want %#x", i, active, at, want)
		}
	}
}
