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
	err   error
}

func (g *slowGPU) GPUState(uuid string) (wire.GPUState, error) {
	<-g.ready
	s := wire.UnknownState(uuid)
	s.Temperature = g.asked.Add(1)
	return s, g.err
}

// poll asks until there is an answer.
func poll(t *testing.T, m *monitor) ([]byte, driver.Result) {
	t.Helper()
	for range 1000 {
		if state, r := m.state(0, "GPU-1"); r != driver.ErrorNotReady {
			return state, r
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no state within 5 s")
	return nil, 0
}

func TestMonitorAnswersAtOnce(t *testing.T) {
	t.Parallel()
	g := &slowGPU{ready: make(chan struct{})}
	m := newMonitor(g)
	m.period, m.linger = time.Millisecond, 50*time.Millisecond
	for range 3 {
		if _, r := m.state(0, "GPU-1"); r != driver.ErrorNotReady {
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
	for deadline := time.Now().Add(5 * time.Second); ; {
		if state, _ := poll(t, m); binary.LittleEndian.Uint32(state[8:]) > first {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the state is never read again")
		}
	}
}

// Nothing is read when nobody asks.
func TestMonitorEnds(t *testing.T) {
	t.Parallel()
	g := &slowGPU{ready: make(chan struct{})}
	close(g.ready)
	m := newMonitor(g)
	m.period, m.linger = time.Millisecond, 20*time.Millisecond
	poll(t, m)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		m.mu.Lock()
		n := len(m.samples)
		m.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the state is still read, 5 s after the last question")
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
	if _, r := poll(t, newMonitor(g)); r != driver.ErrorNotSupported {
		t.Errorf("of a GPU that is lost: %v, want ErrorNotSupported", r)
	}
	var mute struct{ driver.Driver }
	if _, r := newMonitor(mute).state(0, "GPU-1"); r != driver.ErrorNotSupported {
		t.Errorf("of a backend that knows nothing: %v, want ErrorNotSupported", r)
	}
}
