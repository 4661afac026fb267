// SPDX-License-Identifier: Apache-2.0

package simt

import "sync"

// Pool is a set of goroutines that run blocks of launches, so that a process uses no more cores than it has
// however many launches run at once. It is safe for concurrent use.
type Pool struct {
	mu     sync.Mutex
	wake   *sync.Cond // a launch has come, or a helper has left one
	jobs   []*job
	closed bool
	wg     sync.WaitGroup
}

type job struct {
	launch  *Launch
	helpers int
}

// NewPool starts n helpers. Close ends them.
func NewPool(n int) *Pool {
	p := &Pool{}
	p.wake = sync.NewCond(&p.mu)
	for range n {
		p.wg.Go(p.help)
	}
	return p
}

// Close ends the helpers; launches go on without them.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.wake.Broadcast()
	p.wg.Wait()
}

func (p *Pool) help() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed {
		j := p.pick()
		if j == nil {
			p.wake.Wait()
			continue
		}
		j.helpers++
		p.mu.Unlock()
		j.launch.work()
		p.mu.Lock()
		j.helpers--
		p.wake.Broadcast()
	}
}

// pick returns a launch with blocks to begin, that with the fewest helpers.
func (p *Pool) pick() (best *job) {
	for _, j := range p.jobs {
		if j.launch.next.Load() < j.launch.blocks && !j.launch.stopped.Load() && (best == nil || j.helpers < best.helpers) {
			best = j
		}
	}
	return best
}

// run runs a launch here and with helpers, to its end.
func (p *Pool) run(l *Launch) {
	j := &job{launch: l}
	p.mu.Lock()
	p.jobs = append(p.jobs, j)
	p.mu.Unlock()
	p.wake.Broadcast()
	l.work()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.jobs {
		if p.jobs[i] == j {
			p.jobs = append(p.jobs[:i], p.jobs[i+1:]...)
			break
		}
	}
	for j.helpers > 0 {
		p.wake.Wait()
	}
}
