// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

// How often what is asked for is read again, and for how long after it was last asked for. NVIDIA's own tests
// want energy to grow within 150 ms. Links hardly change, and take longer to read.
const (
	statePeriod = 100 * time.Millisecond
	stateLinger = time.Second
	linksPeriod = 5 * time.Second
)

// monitor keeps what the client asks of GPUs. To read it takes the driver milliseconds, in which the ring would stand
// still; so a goroutine does, and commands are answered with the latest.
type monitor struct {
	source driver.Monitor  // nil where the backend knows nothing
	mine   map[string]bool // UUIDs of the session's GPUs
	period time.Duration
	linger time.Duration

	mu      sync.Mutex
	samples map[question]*sample
}

type question struct {
	uuid  string
	links bool
}

func (q question) String() string {
	if q.links {
		return "links"
	}
	return "state"
}

type sample struct {
	asked  time.Time
	answer []byte // nil before the first is read
	err    error
}

func newMonitor(drv driver.Driver, vgpus []VGPU) *monitor {
	source, _ := drv.(driver.Monitor)
	m := &monitor{source: source, mine: map[string]bool{}, period: statePeriod, linger: stateLinger, samples: map[question]*sample{}}
	for _, v := range vgpus {
		m.mine[v.UUID] = true
	}
	return m
}

// ask returns the latest answer, ErrorNotReady while the first is being read.
func (m *monitor) ask(q question) ([]byte, driver.Result) {
	if m.source == nil {
		return nil, driver.ErrorNotSupported
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.samples[q]
	if s == nil {
		s = &sample{}
		m.samples[q] = s
		go m.follow(q, s)
	}
	s.asked = time.Now()
	switch {
	case s.err != nil:
		return nil, driver.ErrorNotSupported
	case s.answer == nil:
		return nil, driver.ErrorNotReady
	}
	return s.answer, driver.Success
}

// follow reads an answer until nobody asks for it any more.
func (m *monitor) follow(q question, s *sample) {
	period := m.period
	if q.links {
		period = linksPeriod
	}
	for {
		b, err := m.read(q)
		m.mu.Lock()
		if err != nil && s.err == nil {
			slog.Warn(fmt.Sprintf("read the %v of a GPU", q), "gpu", q.uuid, "reason", err)
		}
		s.answer, s.err = b, err
		done := time.Since(s.asked) > max(m.linger, period)
		if done {
			delete(m.samples, q)
		}
		m.mu.Unlock()
		if done {
			return
		}
		time.Sleep(period)
	}
}

func (m *monitor) read(q question) ([]byte, error) {
	if q.links {
		links, err := m.source.GPULinks(q.uuid)
		if err != nil {
			return nil, err
		}
		return wire.MarshalLinks(m.visible(links))
	}
	state, err := m.source.GPUState(q.uuid)
	if err != nil {
		return nil, err
	}
	return state.MarshalBinary()
}

// visible takes out the links to GPUs that the session has no part of: of those it learns nothing.
func (m *monitor) visible(links []driver.GPULink) []wire.GPULink {
	shown := make([]wire.GPULink, len(links))
	for i, l := range links {
		shown[i] = l.GPULink
		if l.ToGPU && !m.mine[l.Peer] {
			shown[i] = wire.NoLink()
		}
	}
	return shown
}

func (s *server) onGpuState(_ driver.API, d driver.Device, out []byte) driver.Result {
	return s.tell(d, false, out)
}

func (s *server) onGpuLinks(_ driver.API, d driver.Device, out []byte) driver.Result {
	return s.tell(d, true, out)
}

func (s *server) tell(d driver.Device, links bool, out []byte) driver.Result {
	if d < 0 || int(d) >= len(s.cfg.VGPUs) {
		return driver.ErrorInvalidDevice
	}
	answer, r := s.monitor.ask(question{s.cfg.VGPUs[d].UUID, links})
	copy(out, answer)
	return r
}
