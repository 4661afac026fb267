// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"github.com/orion-vgpu/orion/host/driver"
)

// attribute is a CUfunction_attribute of the kernel.
func (f *function) attribute(n uint32) (int32, driver.Result) {
	p, r := f.program()
	if r != driver.Success {
		return 0, r
	}
	switch n {
	case 0:
		most := maxThreads
		for _, dims := range [][3]int{p.MaxThreads, p.ReqThreads} {
			if v := dims[0] * dims[1] * dims[2]; v > 0 {
				most = min(most, v)
			}
		}
		return int32(most), driver.Success
	case 1:
		return int32(p.SharedBytes), driver.Success
	case 2:
		return int32(p.ConstBytes), driver.Success
	case 3:
		return int32(p.LocalBytes), driver.Success
	case 4:
		most := maxRegisters
		if p.MaxRegs > 0 {
			most = min(most, p.MaxRegs)
		}
		return int32(min(p.Registers, most)), driver.Success
	case 5: // programs choose the shape of a launch by it, as the kernel was compiled for that
		return f.m.target, driver.Success
	case 6:
		return int32(f.m.ctx.d.cfg.Capability), driver.Success
	case 8:
		return max(f.dynamic-int32(p.SharedBytes), 0), driver.Success
	case 9:
		return f.carve, driver.Success
	case 14:
		return f.anyCluster, driver.Success
	case 7, 10, 11, 12, 13, 15:
		return 0, driver.Success
	}
	return 0, driver.ErrorInvalidValue
}

func (f *function) setAttribute(n uint32, v int32) driver.Result {
	p, r := f.program()
	if r != driver.Success {
		return r
	}
	switch n {
	case 8:
		if v < 0 || int(v)+p.SharedBytes > sharedOptIn {
			return driver.ErrorInvalidValue
		}
		f.dynamic = max(v+int32(p.SharedBytes), sharedPerBlock)
	case 9:
		if v < -1 || v > 100 {
			return driver.ErrorInvalidValue
		}
		f.carve = v
	case 14: // of clusters that are to be larger than usual: cuBLAS allows them beforehand, and then does without
		if v < 0 || v > 1 {
			return driver.ErrorInvalidValue
		}
		f.anyCluster = v
	case 11, 12, 13, 15:
		return driver.ErrorNotSupported
	default:
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

func (f *function) params() ([]driver.ParamInfo, driver.Result) {
	p, r := f.program()
	if r != driver.Success {
		return nil, r
	}
	var list []driver.ParamInfo
	for _, v := range p.Params {
		list = append(list, driver.ParamInfo{Offset: uint32(v.Offset), Size: uint32(v.Size)})
	}
	return list, driver.Success
}

func (t *thread) FunctionParams(h driver.Function) ([]driver.ParamInfo, driver.Result) {
	f, r := t.function(h)
	if r != driver.Success {
		return nil, r
	}
	return f.params()
}

func (t *thread) KernelParams(h driver.Kernel) ([]driver.ParamInfo, driver.Result) {
	return t.FunctionParams(driver.Function(h))
}

func (t *thread) FuncGetParamInfo(h driver.Function, i uint64) (offset, size uint64, r driver.Result) {
	list, r := t.FunctionParams(h)
	if r != driver.Success {
		return 0, 0, r
	}
	if i >= uint64(len(list)) {
		return 0, 0, driver.ErrorInvalidValue
	}
	return uint64(list[i].Offset), uint64(list[i].Size), driver.Success
}

func (t *thread) KernelGetParamInfo(h driver.Kernel, i uint64) (offset, size uint64, r driver.Result) {
	return t.FuncGetParamInfo(driver.Function(h), i)
}

func (t *thread) FuncGetAttribute(n uint32, h driver.Function) (int32, driver.Result) {
	f, r := t.function(h)
	if r != driver.Success {
		return 0, r
	}
	return f.attribute(n)
}

func (t *thread) FuncSetAttribute(h driver.Function, n uint32, v int32) driver.Result {
	f, r := t.function(h)
	if r != driver.Success {
		return r
	}
	return f.setAttribute(n, v)
}

// onDevice returns a kernel as a function on a device, by way of its primary context or the current one.
func (t *thread) onDevice(h driver.Kernel, dev driver.Device) (*function, driver.Result) {
	d, r := t.d.device(dev)
	if r != driver.Success {
		return nil, r
	}
	c := t.current
	if c == nil || c.dev != d {
		d.mu.Lock()
		c = d.primary
		d.mu.Unlock()
	}
	if c == nil {
		return nil, driver.ErrorInvalidContext
	}
	return t.kernelIn(h, c)
}

func (t *thread) KernelGetAttribute(n uint32, h driver.Kernel, dev driver.Device) (int32, driver.Result) {
	f, r := t.onDevice(h, dev)
	if r != driver.Success {
		return 0, r
	}
	return f.attribute(n)
}

func (t *thread) KernelSetAttribute(n uint32, v int32, h driver.Kernel, dev driver.Device) driver.Result {
	f, r := t.onDevice(h, dev)
	if r != driver.Success {
		return r
	}
	return f.setAttribute(n, v)
}

func (t *thread) FuncLoad(h driver.Function) driver.Result {
	f, r := t.function(h)
	if r == driver.Success {
		_, r = f.program()
	}
	return r
}

func (t *thread) FuncIsLoaded(h driver.Function) (uint32, driver.Result) {
	_, r := t.function(h)
	return 1, r
}

func (t *thread) FuncSetCacheConfig(h driver.Function, _ uint32) driver.Result {
	_, r := t.function(h)
	return r
}

func (t *thread) FuncSetSharedMemConfig(h driver.Function, _ uint32) driver.Result {
	_, r := t.function(h)
	return r
}

func (t *thread) KernelSetCacheConfig(h driver.Kernel, _ uint32, _ driver.Device) driver.Result {
	_, r := find[*kernel](t.d, h)
	return r
}

// blocksPerMultiprocessor is how many blocks of a kernel would fit into a multiprocessor of a real GPU.
func (f *function) blocksPerMultiprocessor(threads int32, dynamic uint64) (int32, driver.Result) {
	p, r := f.program()
	if r != driver.Success {
		return 0, r
	}
	most, r := f.attribute(0)
	if r != driver.Success {
		return 0, r
	}
	if threads <= 0 {
		return 0, driver.ErrorInvalidValue
	}
	shared := uint64(p.SharedBytes) + dynamic
	if threads > most || shared > sharedOptIn {
		return 0, driver.Success
	}
	warps := (threads + 31) / 32
	n := min(int32(blocksPerSM), threadsPerSM/32/warps)
	return min(n, int32(sharedPerSM/(shared+1024))), driver.Success
}

func (t *thread) OccupancyMaxActiveBlocksPerMultiprocessor(h driver.Function, threads int32, dynamic uint64) (int32, driver.Result) {
	f, r := t.function(h)
	if r != driver.Success {
		return 0, r
	}
	return f.blocksPerMultiprocessor(threads, dynamic)
}

func (t *thread) OccupancyMaxActiveBlocksPerMultiprocessorWithFlags(h driver.Function, threads int32, dynamic uint64, _ uint32) (int32, driver.Result) {
	return t.OccupancyMaxActiveBlocksPerMultiprocessor(h, threads, dynamic)
}

func (t *thread) OccupancyAvailableDynamicSMemPerBlock(h driver.Function, blocks, threads int32) (uint64, driver.Result) {
	f, r := t.function(h)
	if r != driver.Success {
		return 0, r
	}
	p, r := f.program()
	if r != driver.Success {
		return 0, r
	}
	if blocks <= 0 || threads <= 0 || threads > maxThreads {
		return 0, driver.ErrorInvalidValue
	}
	room := sharedPerSM/int(blocks) - 1024 - p.SharedBytes
	return uint64(max(0, min(room, sharedOptIn-p.SharedBytes))), driver.Success
}
