// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"log/slog"
	"sync"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
)

// How often a GPU's state is read, and for how long after it was last asked for.
const (
	monitorPeriod = 500 * time.Millisecond
	monitorLinger = 5 * time.Second
)

// monitor keeps the states of GPUs that the client asks for. To read one takes the driver milliseconds, in which the
// ring would stand still; so a goroutine does, and commands are answered with the latest.
type monitor struct {
	source driver.Monitor // nil where the backend knows nothing
	period time.Duration
	linger time.Duration

	mu      sync.Mutex
	samples map[driver.Device]*sample
}

type sample struct {
	asked time.Time
	state []byte // nil before the first is read
	err   error
}

func newMonitor(drv driver.Driver) *monitor {
	source, _ := drv.(driver.Monitor)
	return &monitor{source: source, period: monitorPeriod, linger: monitorLinger, samples: map[driver.Device]*sample{}}
}

// state returns the latest state of a device, ErrorNotReady while the first is being read.
func (m *monitor) state(d driver.Device, uuid string) ([]byte, driver.Result) {
	if m.source == nil {
		return nil, driver.ErrorNotSupported
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.samples[d]
	if s == nil {
		s = &sample{}
		m.samples[d] = s
		go m.follow(d, uuid, s)
	}
	s.asked = time.Now()
	switch {
	case s.err != nil:
		return nil, driver.ErrorNotSupported
	case s.state == nil:
		return nil, driver.ErrorNotReady
	}
	return s.state, driver.Success
}

// follow reads the state of a device until nobody asks for it any more.
func (m *monitor) follow(d driver.Device, uuid string, s *sample) {
	for {
		var b []byte
		state, err := m.source.GPUState(uuid)
		if err == nil {
			b, err = state.MarshalBinary()
		}
		m.mu.Lock()
		if err != nil && s.err == nil {
			slog.Warn("read the state of a GPU", "gpu", uuid, "reason", err)
		}
		s.state, s.err = b, err
		done := time.Since(s.asked) > m.linger
		if done {
			delete(m.samples, d)
		}
		m.mu.Unlock()
		if done {
			return
		}
		time.Sleep(m.period)
	}
}

func (s *server) onGpuState(_ driver.API, d driver.Device, out []byte) driver.Result {
	if d < 0 || int(d) >= len(s.cfg.VGPUs) {
		return driver.ErrorInvalidDevice
	}
	state, r := s.monitor.state(d, s.cfg.VGPUs[d].UUID)
	copy(out, state)
	return r
}
