// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"sync/atomic"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// lateDriver completes events before what follows them in the stream, as a GPU does whose time slice ends between.
type lateDriver struct {
	*fakeDriver
	complete atomic.Bool
}

func (d *lateDriver) EventRecord(driver.Event, driver.Stream) driver.Result { return driver.Success }
func (d *lateDriver) WriteFlag(driver.Stream, driver.HostPtr, uint32) driver.Result {
	return driver.Success
}

func (d *lateDriver) EventQuery(driver.Event) driver.Result {
	if d.complete.Load() {
		return driver.Success
	}
	return driver.ErrorNotReady
}

// A client that has been told that an event is complete looks at the event's word next.
func TestEventWordFollowsAnswer(t *testing.T) {
	t.Parallel()
	r := anyRegion(t)
	s, f := fakeServer(r)
	d := &lateDriver{fakeDriver: f}
	s.gpuFlags = true
	const event, word, at = driver.Event(7), 3, wire.EventsOffset + 4*3
	said := func() uint32 { return atomic.LoadUint32(r.word32(at)) }

	for n, ask := range []func() driver.Result{
		func() driver.Result { return s.onEventQuery(d, event) },
		func() driver.Result { return s.onEventWait(d, event, &reply{region: r}) },
	} {
		value := uint32(n + 1)
		d.complete.Store(false)
		if result := s.onEventRecordWord(d, event, 0, word, value); result != driver.Success {
			t.Fatal(result.Error())
		}
		if result := s.onEventQuery(d, event); result != driver.ErrorNotReady || said() == value {
			t.Fatalf("before the event: %v, its word says %d", result, said())
		}
		d.complete.Store(true)
		if result := ask(); result != driver.Success || said() != value {
			t.Errorf("after the event: %v, its word says %d, want %d", result, said(), value)
		}
	}

	// Another that is recorded without a word leaves the word alone.
	if result := s.onEventQuery(d, event+1); result != driver.Success || said() != 2 {
		t.Errorf("an event without a word: %v, the word says %d", result, said())
	}
}
