// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"sync"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/softgpu/mem"
	"github.com/orion-vgpu/orion/host/gpu"
)

// What every software GPU has.
const (
	name            = "Orion Software GPU"
	multiprocessors = 32
	maxThreads      = 1024
	maxRegisters    = 255 // of a thread
	threadsPerSM    = 2048
	blocksPerSM     = 32
	registersPerSM  = 65536
	sharedPerSM     = 228 << 10
	sharedPerBlock  = 48 << 10
	sharedOptIn     = 227 << 10
	maxGridX        = 1<<31 - 1
	maxGridYZ       = 65535
	textureAlign    = mem.Granularity // every allocation can be bound to a texture
)

// device is one GPU.
type device struct {
	d            *Driver
	ordinal      int // among those shown
	index        int // on the node
	memory       *mem.Device
	mu           sync.Mutex
	primary      *context
	retained     int
	primaryFlags uint32
	pool         *pool // the current memory pool
	defaultPool  *pool
	pools        pools
	peerOf       map[*device]bool // guarded by mu

	graphAllocations graphAllocations
}

func newDevice(d *Driver, ordinal, index int) (*device, error) {
	m, err := mem.NewDevice(d.space, ordinal, d.cfg.MemoryBytes)
	if err != nil {
		return nil, err
	}
	dev := &device{d: d, ordinal: ordinal, index: index, memory: m, peerOf: map[*device]bool{}, pools: pools{all: map[*pool]struct{}{}, at: map[uint64]*pool{}}}
	dev.graphAllocations.list, dev.graphAllocations.kept = map[uint64]*graphMemory{}, map[uint64]uint64{}
	dev.defaultPool = d.newPool(dev)
	dev.pool = dev.defaultPool
	return dev, nil
}

// peers notes whether another GPU's memory is accessible and returns what was noted before.
func (v *device) peers(o *device, on bool) (was bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	was, v.peerOf[o] = v.peerOf[o], on
	return was
}

func (d *Driver) device(dev driver.Device) (*device, driver.Result) {
	if dev < 0 || int(dev) >= len(d.devices) {
		return nil, driver.ErrorInvalidDevice
	}
	return d.devices[dev], driver.Success
}

func (t *thread) DeviceGetCount() (int32, driver.Result) {
	return int32(len(t.d.devices)), driver.Success
}

func (t *thread) DeviceGetName(out []byte, length int32, dev driver.Device) driver.Result {
	if _, r := t.d.device(dev); r != driver.Success {
		return r
	}
	n := min(len(out), max(int(length), 0))
	if n == 0 {
		return driver.ErrorInvalidValue
	}
	out[copy(out[:n-1], name)] = 0
	return driver.Success
}

func (t *thread) DeviceGetUuid(out []byte, dev driver.Device) driver.Result {
	d, r := t.d.device(dev)
	if r == driver.Success {
		id := gpu.SoftUUID(t.d.cfg.NodeName, d.index)
		copy(out, id[:])
	}
	return r
}

func (t *thread) DeviceTotalMem(dev driver.Device) (uint64, driver.Result) {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return 0, r
	}
	_, total := d.memory.Info()
	return total, driver.Success
}

// attributes by number of CUdevice_attribute, those that are not 0 and the same for every GPU.
var attributes = map[uint32]int32{
	1: maxThreads, 2: 1024, 3: 1024, 4: 64, 5: maxGridX, 6: maxGridYZ, 7: maxGridYZ, 8: sharedPerBlock, 9: 64 << 10,
	10: 32, 11: 1<<31 - 1, 12: registersPerSM, 13: 1_000_000, 14: textureAlign, 15: 1, 16: multiprocessors, 19: 1,
	21: 131072, 22: 131072, 23: 65536, 24: 16384, 25: 16384, 26: 16384, 27: 32768, 28: 32768, 29: 2048, 30: 512, 31: 1,
	36: 1_000_000, 37: 256, 38: 32 << 20, 39: threadsPerSM, 40: 2, 41: 1, 42: 32768, 43: 2048, 44: 1, 45: 32768, 46: 32768,
	47: 8192, 48: 8192, 49: 32768, 51: 32, 52: 32768, 53: 32768, 54: 2046, 55: 32768, 56: 131072, 57: 65536, 58: 16384,
	59: 16384, 60: 16384, 61: 32768, 62: 2048, 63: 32768, 64: 32768, 65: 2048, 66: 32768, 67: 32768, 68: 2046,
	69: 268435456, 70: 131072, 71: 65000, 72: 2097120, 73: 32768, 74: 32768, 77: 32768, 78: 1, 79: 1, 80: 1,
	81: sharedPerSM, 82: registersPerSM, 83: 1, 86: 1, 87: 2, 89: 1, 90: 1, 91: 1, 92: 1, 93: 1, 94: 1, 95: 1,
	97: sharedOptIn, 99: 1, 102: 1, 103: 1, 106: blocksPerSM, 111: 1 << 10, 113: 1, 115: 1, 119: 1, 122: 1, 123: 1, 125: 1, 126: 1,
}

func (t *thread) DeviceGetAttribute(attribute uint32, dev driver.Device) (int32, driver.Result) {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return 0, r
	}
	switch attribute {
	case 33: // PCI bus
		return int32(d.index + 1), driver.Success
	case 75:
		return int32(t.d.cfg.Capability / 10), driver.Success
	case 76:
		return int32(t.d.cfg.Capability % 10), driver.Success
	case 84, 85: // a board of its own
		return int32(0), driver.Success
	case 131, 134: // NUMA nodes
		return -1, driver.Success
	}
	if attribute == 0 || attribute > 147 {
		return 0, driver.ErrorInvalidValue
	}
	return attributes[attribute], driver.Success
}

func (t *thread) DeviceCanAccessPeer(dev, peer driver.Device) (int32, driver.Result) {
	_, r := t.d.device(dev)
	_, r2 := t.d.device(peer)
	if r != driver.Success || r2 != driver.Success {
		return 0, driver.ErrorInvalidDevice
	}
	if dev == peer {
		return 0, driver.Success
	}
	return 1, driver.Success
}

func (t *thread) DeviceGetP2PAttribute(attribute uint32, src, dst driver.Device) (int32, driver.Result) {
	_, r := t.d.device(src)
	_, r2 := t.d.device(dst)
	if r != driver.Success || r2 != driver.Success || src == dst {
		return 0, driver.ErrorInvalidDevice
	}
	switch attribute {
	case 1, 4, 5:
		return 0, driver.Success
	case 2, 3:
		return 1, driver.Success
	}
	return 0, driver.ErrorInvalidValue
}

func (t *thread) DeviceGetExecAffinitySupport(uint32, driver.Device) (int32, driver.Result) {
	return 0, driver.Success
}

func (t *thread) FlushGPUDirectRDMAWrites(uint32, uint32) driver.Result { return driver.Success }
