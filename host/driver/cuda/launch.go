// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"encoding/binary"
	"runtime"

	"github.com/orion-vgpu/orion/host/driver"
)

// Launch runs cuLaunchKernel, or cuLaunchKernelEx where there are attributes.
func (t *Thread) Launch(f driver.Function, cfg *driver.LaunchConfig, params []byte) driver.Result {
	if len(params) > paramsRoom {
		return driver.ErrorInvalidValue
	}
	a := t.frame.args
	extra := t.packed(params)
	if len(cfg.Attributes) == 0 {
		*a = [frameArgs]uint64{uint64(f), uint64(cfg.Grid[0]), uint64(cfg.Grid[1]), uint64(cfg.Grid[2]),
			uint64(cfg.Block[0]), uint64(cfg.Block[1]), uint64(cfg.Block[2]), uint64(cfg.SharedBytes),
			uint64(cfg.Stream), 0, extra}
		return t.invoke(t.d.extra.launchKernel, 11)
	}
	a[0], a[1], a[2], a[3] = t.launchConfig(cfg), uint64(f), 0, extra
	r := t.invoke(t.d.extra.launchKernelEx, 4)
	runtime.KeepAlive(cfg)
	return r
}

// packed puts a parameter buffer into the frame and returns the value for a launch's extra parameter.
func (t *Thread) packed(params []byte) uint64 {
	if len(params) == 0 {
		return 0
	}
	copy(t.frame.params[:], params)
	*t.frame.paramBytes = uint64(len(params))
	return addressOf(t.frame.extra)
}

// launchConfig builds a CUlaunchConfig in the frame and returns its address.
func (t *Thread) launchConfig(cfg *driver.LaunchConfig) uint64 {
	b := t.frame.text[:56]
	le := binary.LittleEndian
	putShape(b, cfg.Grid, cfg.Block, cfg.SharedBytes)
	le.PutUint64(b[32:], uint64(cfg.Stream))
	le.PutUint64(b[40:], address(cfg.Attributes))
	le.PutUint64(b[48:], uint64(len(cfg.Attributes)/driver.LaunchAttributeSize))
	return address(b)
}

func putShape(b []byte, grid, block [3]uint32, shared uint32) {
	for i := range 3 {
		binary.LittleEndian.PutUint32(b[4*i:], grid[i])
		binary.LittleEndian.PutUint32(b[12+4*i:], block[i])
	}
	binary.LittleEndian.PutUint32(b[24:], shared)
}

func getShape(b []byte) (grid, block [3]uint32, shared uint32) {
	for i := range 3 {
		grid[i] = binary.LittleEndian.Uint32(b[4*i:])
		block[i] = binary.LittleEndian.Uint32(b[12+4*i:])
	}
	return grid, block, binary.LittleEndian.Uint32(b[24:])
}

// MaxActiveClusters calls cuOccupancyMaxActiveClusters.
func (t *Thread) MaxActiveClusters(f driver.Function, cfg *driver.LaunchConfig) (int32, driver.Result) {
	t.frame.args[0], t.frame.args[1], t.frame.args[2] = t.frame.out(0, 0), uint64(f), t.launchConfig(cfg)
	r := t.invoke(t.d.extra.maxActiveClusters, 3)
	return int32(t.frame.outs[0]), r
}

// MaxPotentialClusterSize calls cuOccupancyMaxPotentialClusterSize.
func (t *Thread) MaxPotentialClusterSize(f driver.Function, cfg *driver.LaunchConfig) (int32, driver.Result) {
	t.frame.args[0], t.frame.args[1], t.frame.args[2] = t.frame.out(0, 0), uint64(f), t.launchConfig(cfg)
	r := t.invoke(t.d.extra.maxClusterSize, 3)
	return int32(t.frame.outs[0]), r
}

// FunctionParams asks cuFuncGetParamInfo until it has no more.
func (t *Thread) FunctionParams(f driver.Function) ([]driver.ParamInfo, driver.Result) {
	return listParams(func(i uint64) (uint64, uint64, driver.Result) { return t.FuncGetParamInfo(f, i) })
}

// KernelParams asks cuKernelGetParamInfo until it has no more.
func (t *Thread) KernelParams(k driver.Kernel) ([]driver.ParamInfo, driver.Result) {
	return listParams(func(i uint64) (uint64, uint64, driver.Result) { return t.KernelGetParamInfo(k, i) })
}

func listParams(ask func(i uint64) (offset, size uint64, r driver.Result)) ([]driver.ParamInfo, driver.Result) {
	var out []driver.ParamInfo
	for i := uint64(0); ; i++ {
		offset, size, r := ask(i)
		switch r {
		case driver.Success:
			out = append(out, driver.ParamInfo{Offset: uint32(offset), Size: uint32(size)})
		case driver.ErrorInvalidValue:
			return out, driver.Success
		default:
			return nil, r
		}
	}
}

// WriteFlag calls cuStreamWriteValue32.
func (t *Thread) WriteFlag(stream driver.Stream, flag driver.HostPtr, value uint32) driver.Result {
	a := t.frame.args
	a[0], a[1], a[2], a[3] = uint64(stream), uint64(flag), uint64(value), 0
	return t.invoke(t.d.extra.writeValue32, 4)
}
