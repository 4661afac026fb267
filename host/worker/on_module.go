// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"math"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/driver/fatbin"
	"github.com/orion-vgpu/orion/proto/wire"
)

// maxImage bounds a module, library or link input.
const maxImage = 4 << 30

// imageMargin are zeros behind an image, which end text, and what the driver may look at of one that is hardly there.
const imageMargin = 64

// onImageAppend takes the next piece of an image; total is its size when complete, load says that it is to be loaded.
// It tells what memory the image's managed variables need.
func (s *server) onImageAppend(api driver.API, total uint64, stage driver.HostPtr, n uint64, load uint32) (uint64, driver.Result) {
	if s.managed = nil; uint64(len(s.image)) == s.imageBytes || total != s.imageBytes {
		s.image = nil // the last one was never asked for
	}
	s.imageBytes = total
	if total > maxImage || uint64(len(s.image))+n > total || !s.region.contains(stage, n) {
		s.image = nil
		return 0, driver.ErrorInvalidValue
	}
	if s.image == nil {
		if err := s.hostMemory.admits(total); err != nil {
			s.log.Info("an image is refused", "reason", err)
			return 0, driver.ErrorOutOfMemory
		}
		s.image = make([]byte, 0, total+imageMargin)
	}
	s.image = append(s.image, s.region.window(stage, n)...)
	if uint64(len(s.image)) < total {
		return 0, driver.Success
	}
	if err := fatbin.Check(s.image); err != nil {
		s.image = nil
		s.log.Info("an image is refused", "reason", err)
		return 0, driver.ErrorInvalidImage
	}
	capability, err := s.capability(api)
	if err != nil {
		s.log.Warn("cannot look through an image", "reason", err)
	}
	features := fatbin.Look(s.image, capability)
	// With the real driver, kernels that print need the driver's own waits.
	s.prints = s.prints || s.cfg.Backend == "cuda" && features.Prints
	if load == 0 || !features.Managed {
		return 0, driver.Success
	}
	return s.findManaged(api), driver.Success
}

// takeImage returns what was sent, if all of it was.
func (s *server) takeImage() []byte {
	image := s.image
	if uint64(len(image)) != s.imageBytes {
		image = nil
	}
	s.image, s.managed, s.imageBytes = nil, nil, 0
	return image
}

// jit decodes an option list and the sizes of the logs that are asked for. Options whose values are addresses, of the
// client's memory, are not for the driver of another process: symbols with addresses are refused, as is what is not
// known, and names of what an image uses, which only help its linker to leave out the rest, are passed over.
func jit(b []byte) ([]driver.JITOption, *driver.JITLog, driver.Result) {
	const (
		infoBytes, errorBytes             = 4, 6
		symbolNames, symbolCount          = 17, 19
		usedKernelNames, usedVariableLast = 25, 28
		last                              = 34
	)
	log := &driver.JITLog{InfoBytes: wire.JITLogBytes, ErrorBytes: wire.JITLogBytes}
	var options []driver.JITOption
	for ; len(b) >= wire.JITOptionSize; b = b[wire.JITOptionSize:] {
		o := driver.JITOption{ID: binary.LittleEndian.Uint32(b), Value: binary.LittleEndian.Uint64(b[8:])}
		switch o.ID {
		case infoBytes:
			log.InfoBytes = int(min(o.Value, wire.JITLogBytes))
		case errorBytes:
			log.ErrorBytes = int(min(o.Value, wire.JITLogBytes))
		default:
			switch {
			case o.ID >= symbolNames && o.ID <= symbolCount, o.ID > last:
				return nil, log, driver.ErrorNotSupported
			case o.ID >= usedKernelNames && o.ID <= usedVariableLast:
			default:
				options = append(options, o)
			}
		}
	}
	return options, log, driver.Success
}

// putLog writes a log in the layout of wire: lengths, wall time, texts.
func putLog(b []byte, log *driver.JITLog) {
	le := binary.LittleEndian
	info, fault := log.Info[:min(len(log.Info), wire.JITLogBytes)], log.Error[:min(len(log.Error), wire.JITLogBytes)]
	le.PutUint32(b, uint32(len(info)))
	le.PutUint32(b[4:], uint32(len(fault)))
	le.PutUint32(b[8:], math.Float32bits(log.WallTime))
	copy(b[wire.JITLogInfo:], info)
	copy(b[wire.JITLogError:], fault)
}

func (s *server) onModuleLoad(api driver.API, options []byte, _ uint64, out []byte) (driver.Module, driver.Result) {
	image := s.takeImage()
	opts, log, r := jit(options)
	if r != driver.Success {
		return 0, r
	}
	m, r := api.ModuleLoad(image, opts, log)
	putLog(out, log)
	s.logJIT("load a module", r, log)
	return m, r
}

func (s *server) onLibraryLoad(api driver.API, options []byte, _ uint64, out []byte) (driver.Library, driver.Result) {
	image := s.takeImage()
	opts, log, r := jit(options)
	if r != driver.Success {
		return 0, r
	}
	l, r := api.LibraryLoad(image, opts, log)
	putLog(out, log)
	s.logJIT("load a library", r, log)
	return l, r
}

func (s *server) logJIT(what string, r driver.Result, log *driver.JITLog) {
	if r != driver.Success {
		s.log.Info("cannot "+what, "result", r.Error(), "compiler", log.Error)
	}
}

func (s *server) onLinkCreate(api driver.API, options []byte, _ uint64) (driver.LinkState, driver.Result) {
	opts, _, r := jit(options)
	if r != driver.Success {
		return 0, r
	}
	return api.LinkCreate(opts)
}

func (s *server) onLinkAdd(api driver.API, l driver.LinkState, kind uint32, name string, options []byte, _ uint64, out []byte) driver.Result {
	image := s.takeImage()
	opts, log, r := jit(options)
	if r != driver.Success {
		return r
	}
	r = api.LinkAdd(l, kind, image, name, opts, log)
	putLog(out, log)
	s.logJIT("add to a link", r, log)
	return r
}

func (s *server) onLinkComplete(api driver.API, l driver.LinkState, out []byte) (uint64, driver.Result) {
	log := &driver.JITLog{}
	b, r := api.LinkComplete(l, log)
	putLog(out, log)
	s.logJIT("complete a link", r, log)
	if r == driver.Success {
		s.linked[l] = append([]byte(nil), b...)
	}
	return uint64(len(b)), r
}

func (s *server) onLinkDestroy(api driver.API, l driver.LinkState) driver.Result {
	delete(s.linked, l)
	return api.LinkDestroy(l)
}

// onLinkRead copies a piece of a linked image into staging.
func (s *server) onLinkRead(_ driver.API, l driver.LinkState, offset uint64, stage driver.HostPtr, n uint64) driver.Result {
	b := s.linked[l]
	if offset > uint64(len(b)) || n > uint64(len(b))-offset || !s.region.contains(stage, n) {
		return driver.ErrorInvalidValue
	}
	copy(s.region.window(stage, n), b[offset:offset+n])
	return driver.Success
}

// functionAttributes are fetched with a function, so that the guest can check launches by itself.
const functionAttributes = 16

func (s *server) onModuleFunction(api driver.API, m driver.Module, name string, info []byte) (driver.Function, driver.Result) {
	f, r := api.ModuleGetFunction(m, name)
	if r != driver.Success {
		return 0, r
	}
	params, r := api.FunctionParams(f)
	if r != driver.Success {
		return 0, r
	}
	return f, putInfo(info, params, func(attribute uint32) (int32, driver.Result) { return api.FuncGetAttribute(attribute, f) })
}

func (s *server) onLibraryKernel(api driver.API, l driver.Library, name string, info []byte) (driver.Kernel, driver.Result) {
	// A program may look its kernels up before it has a context; the driver tells their attributes in one.
	if s.current == 0 {
		api.CtxSetCurrent(s.home)
		defer api.CtxSetCurrent(0)
	}
	k, r := api.LibraryGetKernel(l, name)
	if r != driver.Success {
		return 0, r
	}
	params, r := api.KernelParams(k)
	if r != driver.Success {
		return 0, r
	}
	device := driver.Device(max(0, s.gpu(api)))
	return k, putInfo(info, params, func(attribute uint32) (int32, driver.Result) { return api.KernelGetAttribute(attribute, k, device) })
}

// putInfo writes a function's parameters and attributes in the layout of wire.
func putInfo(b []byte, params []driver.ParamInfo, attribute func(uint32) (int32, driver.Result)) driver.Result {
	if len(params) > wire.InfoMaxParams {
		return driver.ErrorNotSupported
	}
	le := binary.LittleEndian
	le.PutUint32(b[wire.InfoParamCount:], uint32(len(params)))
	for i := range uint32(functionAttributes) {
		if v, r := attribute(i); r == driver.Success {
			le.PutUint32(b[wire.InfoAttributes+4*i:], uint32(v))
		}
	}
	for i, p := range params {
		le.PutUint32(b[wire.InfoParams+8*i:], p.Offset)
		le.PutUint32(b[wire.InfoParams+8*i+4:], p.Size)
	}
	return driver.Success
}

func (s *server) onKernelFunction(api driver.API, k driver.Kernel) (driver.Function, driver.Result) {
	return api.KernelGetFunction(k)
}

func (s *server) onFunctionAttribute(api driver.API, f driver.Function, attribute uint32) (int32, driver.Result) {
	return api.FuncGetAttribute(attribute, f)
}

func (s *server) onKernelAttribute(api driver.API, k driver.Kernel, attribute uint32, device driver.Device) (int32, driver.Result) {
	return api.KernelGetAttribute(attribute, k, device)
}

// onModuleNames lists the kernels of a module or library from start on, as NUL-ended names.
func (s *server) onModuleNames(api driver.API, m driver.Module, l driver.Library, start uint64, out []byte) (uint64, driver.Result) {
	var names []string
	var r driver.Result
	if l != 0 {
		names, r = api.LibraryKernelNames(l)
	} else {
		names, r = api.ModuleFunctionNames(m)
	}
	for i := start; r == driver.Success && i < uint64(len(names)) && len(names[i]) < len(out); i++ {
		n := copy(out, names[i])
		out[n] = 0
		out = out[n+1:]
	}
	return uint64(len(names)), r
}
