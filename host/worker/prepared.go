// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"sync/atomic"

	"github.com/orion-vgpu/orion/host/driver"
)

// Prepared is a driver that is ready for a session: opened, with the first GPU's primary context made. With a real
// GPU that is most of what a worker's start takes, and needs to know nothing of the client.
type Prepared struct {
	drv     driver.Driver
	api     driver.API
	home    driver.Context
	console atomic.Pointer[console] // of the session; what is printed before there is one is lost
}

// Prepare opens the driver for the GPUs of cfg. The goroutine that calls it must be the one that calls Run.
func Prepare(cfg Config, open Backend) (*Prepared, error) {
	p := &Prepared{}
	drv, err := open(cfg, func(fd int, text []byte) {
		if c := p.console.Load(); c != nil {
			c.write(byte(fd), text)
		}
	})
	if err == nil {
		p.drv = drv
		p.api, err = drv.NewThread()
	}
	if err != nil {
		return nil, fmt.Errorf("open the %s backend: %w", cfg.Backend, err)
	}
	if n, r := p.api.DeviceGetCount(); r != driver.Success || int(n) < len(cfg.VGPUs) {
		return nil, fmt.Errorf("find %d GPUs: the driver shows %d: %w", len(cfg.VGPUs), n, r)
	}
	var r driver.Result
	if p.home, r = p.api.DevicePrimaryCtxRetain(0); r != driver.Success {
		return nil, fmt.Errorf("make a context on the first GPU: %w", r)
	}
	return p, nil
}
