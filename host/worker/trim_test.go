// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// poolDriver tells of its waits.
type poolDriver struct {
	*fakeDriver
	waits chan string
}

func (d poolDriver) NewThread() (driver.API, error) { return d, nil }
func (d poolDriver) Close() error                   { return nil }

func (d poolDriver) MemFreeAsync(driver.DevicePtr, driver.Stream) driver.Result {
	return driver.Success
}

func (d poolDriver) StreamSynchronize(driver.Stream) driver.Result {
	d.waits <- "stream"
	return driver.Success
}

func (d poolDriver) CtxSynchronize() driver.Result {
	d.waits <- "context"
	return driver.Success
}

// settle waits until waiters have given their answers: those of a test must not outlive its region.
func settle(w *waiters) {
	busy := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.started > w.idle || len(w.jobs) > 0
	}
	for busy() {
		time.Sleep(10 * time.Microsecond)
	}
}

// A pool gives memory back in the driver's own waits: the first for a stream that has freed is one.
func TestWaitTrimsPools(t *testing.T) {
	t.Parallel()
	r := anyRegion(t)
	s, f := fakeServer(r)
	d := poolDriver{f, make(chan string, 1)}
	s.gpuFlags, s.waiters = true, newWaiters(d)
	defer settle(s.waiters)
	const stream, other = driver.Stream(7), driver.Stream(8)
	answer := &reply{region: r, slot: wire.SlotsOffset, seq: 1}

	expect := func(what string, got driver.Result, wait string) {
		t.Helper()
		if wait == "" && got != driver.Success || wait != "" && got != pending {
			t.Fatalf("%s: %v", what, got)
		}
		if wait != "" {
			if got := <-d.waits; got != wait {
				t.Fatalf("%s: waits for the %s, want the %s", what, got, wait)
			}
		}
	}
	free := func(st driver.Stream) {
		t.Helper()
		if result := s.onMemFreeAsync(d, 0x1000, st); result != driver.Success {
			t.Fatal(result)
		}
	}
	expect("nothing freed", s.onStreamSync(d, stream, answer), "")
	free(stream)
	expect("another stream", s.onStreamSync(d, other, answer), "")
	expect("the stream", s.onStreamSync(d, stream, answer), "stream")
	expect("the stream again", s.onStreamSync(d, stream, answer), "")
	free(stream)
	free(other)
	expect("the context", s.onCtxWait(d, answer), "context")
	expect("after the context", s.onStreamSync(d, stream, answer), "")
	for st := range driver.Stream(2 * fewStreams) {
		free(st)
	}
	expect("of many", s.onStreamSync(d, 2*fewStreams-1, answer), "stream")
}
