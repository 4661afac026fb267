// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"sync/atomic"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
)

// writeOp stores a value when the stream gets there.
type writeOp struct {
	addr, value uint64
	wide        bool
}

func (writeOp) kind() uint32 { return nodeBatchMem }

func (o writeOp) run(*context) driver.Result {
	if o.wide {
		atomic.StoreUint64((*uint64)(mem.Pointer(o.addr)), o.value)
	} else {
		atomic.StoreUint32((*uint32)(mem.Pointer(o.addr)), uint32(o.value))
	}
	return driver.Success
}

// awaitOp holds the stream until memory has a value.
type awaitOp struct {
	writeOp
	compare uint32
}

func (o awaitOp) run(c *context) driver.Result {
	for pause := time.Microsecond; c.result() == driver.Success; pause = min(pause*2, time.Millisecond) {
		var v uint64
		if o.wide {
			v = atomic.LoadUint64((*uint64)(mem.Pointer(o.addr)))
		} else {
			v = uint64(atomic.LoadUint32((*uint32)(mem.Pointer(o.addr))))
		}
		if o.holds(v) {
			return driver.Success
		}
		time.Sleep(pause)
	}
	return driver.Success
}

func (o awaitOp) holds(v uint64) bool {
	switch o.compare & 3 {
	case 0:
		if o.wide {
			return int64(v-o.value) >= 0
		}
		return int32(uint32(v)-uint32(o.value)) >= 0
	case 1:
		return v == o.value
	case 2:
		return v&o.value != 0
	}
	if o.wide {
		return ^(v | o.value) != 0
	}
	return ^uint32(v|o.value) != 0
}

func (t *thread) streamMemory(s driver.Stream, o operation, addr uint64, size uint64) driver.Result {
	if _, r := t.stream(s); r != driver.Success {
		return r
	}
	if addr%size != 0 || !t.d.space.Holds(addr, size) {
		return driver.ErrorInvalidValue
	}
	return t.enqueue(s, o)
}

func (t *thread) StreamWriteValue32(s driver.Stream, p driver.DevicePtr, v, _ uint32) driver.Result {
	return t.streamMemory(s, writeOp{uint64(p), uint64(v), false}, uint64(p), 4)
}

func (t *thread) StreamWriteValue64(s driver.Stream, p driver.DevicePtr, v uint64, _ uint32) driver.Result {
	return t.streamMemory(s, writeOp{uint64(p), v, true}, uint64(p), 8)
}

func (t *thread) StreamWaitValue32(s driver.Stream, p driver.DevicePtr, v, flags uint32) driver.Result {
	return t.streamMemory(s, awaitOp{writeOp{uint64(p), uint64(v), false}, flags}, uint64(p), 4)
}

func (t *thread) StreamWaitValue64(s driver.Stream, p driver.DevicePtr, v uint64, flags uint32) driver.Result {
	return t.streamMemory(s, awaitOp{writeOp{uint64(p), v, true}, flags}, uint64(p), 8)
}

func (t *thread) StreamWriteValue32V2(s driver.Stream, p driver.DevicePtr, v, f uint32) driver.Result {
	return t.StreamWriteValue32(s, p, v, f)
}

func (t *thread) StreamWriteValue64V2(s driver.Stream, p driver.DevicePtr, v uint64, f uint32) driver.Result {
	return t.StreamWriteValue64(s, p, v, f)
}

func (t *thread) StreamWaitValue32V2(s driver.Stream, p driver.DevicePtr, v, f uint32) driver.Result {
	return t.StreamWaitValue32(s, p, v, f)
}

func (t *thread) StreamWaitValue64V2(s driver.Stream, p driver.DevicePtr, v uint64, f uint32) driver.Result {
	return t.StreamWaitValue64(s, p, v, f)
}

// WriteFlag stores at once in stream order, never in a capture.
func (t *thread) WriteFlag(sh driver.Stream, p driver.HostPtr, v uint32) driver.Result {
	s, r := t.stream(sh)
	if r != driver.Success {
		return r
	}
	if p%4 != 0 || !t.d.space.Holds(uint64(p), 4) {
		return driver.ErrorInvalidValue
	}
	if t.d.isCaptured(s) {
		return driver.ErrorStreamCaptureUnsupported
	}
	s.submit(writeOp{uint64(p), uint64(v), false})
	return driver.Success
}

// hostOp calls back to the client.
type hostOp struct{ call driver.HostCall }

func (hostOp) kind() uint32 { return nodeHost }

func (o hostOp) run(*context) driver.Result {
	o.call.Run()
	return driver.Success
}

func (t *thread) LaunchHost(s driver.Stream, call driver.HostCall) driver.Result {
	if call == nil {
		return driver.ErrorInvalidValue
	}
	return t.enqueue(s, hostOp{call})
}
