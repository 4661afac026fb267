// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"slices"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
)

// watched is an answer that the GPU is to give.
type watched struct {
	ticket
	context driver.Context
	stream  driver.Stream
}

func (e watched) same(o watched) bool { return e.ticket == o.ticket }

// watch looks after answers that the GPU is to give: a context that has failed runs nothing more, its flags
// are never written, and its streams tell why. It asks seldom, since nearly all answers come by themselves.
type watch struct {
	drv  driver.Driver
	wake chan struct{}

	mu   sync.Mutex
	list []watched

	// asking is held while a stream is asked. Who destroys streams takes it to forget them first: the driver
	// must not be asked about one that is gone. Who puts a stream into capture holds it: asking would spoil it.
	asking sync.Mutex
}

const watchEvery = 5 * time.Millisecond

func newWatch(drv driver.Driver) *watch {
	return &watch{drv: drv, wake: make(chan struct{}, 1)}
}

func (w *watch) add(e watched) {
	w.mu.Lock()
	w.list = append(w.list, e)
	first := len(w.list) == 1
	if len(w.list) > 64 {
		w.prune()
	}
	w.mu.Unlock()
	if first {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// prune drops what has been answered. The caller holds mu.
func (w *watch) prune() {
	w.list = slices.DeleteFunc(w.list, watched.answered)
}

// loop runs until the process ends.
func (w *watch) loop() {
	api, err := w.drv.NewThread()
	if err != nil {
		return
	}
	for range w.wake {
		for {
			time.Sleep(watchEvery)
			if !w.round(api) {
				break
			}
		}
	}
}

// round asks about each answer that is overdue, and says whether any are left.
func (w *watch) round(api driver.API) bool {
	w.mu.Lock()
	w.prune()
	overdue := append([]watched(nil), w.list...)
	w.mu.Unlock()
	for _, e := range overdue {
		w.ask(api, e)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.list) > 0
}

// ask answers in the GPU's place if the stream says that it will not.
func (w *watch) ask(api driver.API, e watched) {
	w.asking.Lock()
	defer w.asking.Unlock()
	if e.answered() || !w.listed(e) || api.CtxSetCurrent(e.context) != driver.Success {
		return
	}
	lenient(api, true) // a look from here is no offence against what is captured elsewhere
	if status, r := api.StreamIsCapturing(e.stream); r == driver.Success && status != 0 || r == driver.ErrorStreamCaptureImplicit {
		return // until the capture has ended
	}
	switch r := api.StreamQuery(e.stream); r {
	case driver.ErrorNotReady:
	case driver.Success: // the flag is on its way; answer in its place if it is not
		if !e.answered() {
			e.send(driver.Success)
		}
		w.remove(e.same)
	default:
		e.send(r)
		w.remove(e.same)
	}
}

func (w *watch) listed(e watched) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.list, e.same)
}

// forget drops the streams that ends tells. It returns when none of them is being asked.
func (w *watch) forget(ends func(watched) bool) {
	w.asking.Lock()
	defer w.asking.Unlock()
	w.remove(ends)
}

// remove drops what gone tells.
func (w *watch) remove(gone func(watched) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = slices.DeleteFunc(w.list, gone)
}
