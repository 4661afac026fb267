// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// maxWaiters is one for each thread of the client that can wait: none waits for another's turn.
const maxWaiters = wire.SlotCount

// waiters run blocking calls of the driver off the ring. Goroutines are started as they are needed and kept.
type waiters struct {
	drv  driver.Driver
	jobs chan waitJob

	mu      sync.Mutex
	started int
	idle    int
}

type waitJob struct {
	context driver.Context
	run     func(driver.API)
}

func newWaiters(drv driver.Driver) *waiters {
	return &waiters{drv: drv, jobs: make(chan waitJob, 1024)}
}

// do runs f on a waiter with the given context current.
func (w *waiters) do(context driver.Context, f func(driver.API)) {
	w.mu.Lock()
	if w.idle == 0 && w.started < maxWaiters {
		w.started++
		go w.loop()
	} else if w.idle > 0 {
		w.idle--
	}
	w.mu.Unlock()
	w.jobs <- waitJob{context, f}
}

func (w *waiters) loop() {
	api, err := w.drv.NewThread()
	if err != nil {
		w.mu.Lock()
		w.started--
		w.mu.Unlock()
		return
	}
	defer api.Close()
	easy := false
	for job := range w.jobs {
		api.CtxSetCurrent(job.context)    // each time: a context may have ended, and its address be another's
		easy = easy || lenient(api, true) // whether the client's thread may wait has been seen to on the ring
		job.run(api)
		w.mu.Lock()
		w.idle++
		w.mu.Unlock()
	}
}
