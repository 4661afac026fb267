// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"strings"
	"time"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// special is a slot that holds a special register, filled when a thread starts or a function is called.
type special struct {
	slot int32
	fill func(w *warp, lane int) uint64
	name string
	own  bool // each lane has its own, the same in all blocks; else a warp's lanes have one value
}

// ofLane says whether each lane has its own value of a special register.
func ofLane(name string) bool {
	return name == "%laneid" || strings.HasPrefix(name, "%lanemask_") || strings.HasPrefix(name, "%tid.")
}

var sregs = map[string]func(w *warp, lane int) uint64{
	"%laneid":             func(_ *warp, l int) uint64 { return uint64(l) },
	"%warpid":             func(w *warp, _ int) uint64 { return uint64(w.index) },
	"%nwarpid":            func(*warp, int) uint64 { return 64 },
	"%smid":               func(w *warp, _ int) uint64 { return w.block.sm() },
	"%nsmid":              func(w *warp, _ int) uint64 { return uint64(w.block.launch.Machine.SMs) },
	"%gridid":             func(w *warp, _ int) uint64 { return w.block.launch.gridID },
	"%lanemask_eq":        func(_ *warp, l int) uint64 { return 1 << l },
	"%lanemask_le":        func(_ *warp, l int) uint64 { return 1<<(l+1) - 1 },
	"%lanemask_lt":        func(_ *warp, l int) uint64 { return 1<<l - 1 },
	"%lanemask_ge":        func(_ *warp, l int) uint64 { return fullMask &^ (1<<l - 1) },
	"%lanemask_gt":        func(_ *warp, l int) uint64 { return fullMask &^ (1<<(l+1) - 1) },
	"%dynamic_smem_size":  func(w *warp, _ int) uint64 { return uint64(w.block.launch.SharedBytes) },
	"%total_smem_size":    func(w *warp, _ int) uint64 { return uint64(w.block.launch.reservedAt()) },
	"%aggr_smem_size":     func(w *warp, _ int) uint64 { return uint64(len(w.block.shared)) },
	"%cluster_ctarank":    func(*warp, int) uint64 { return 0 },
	"%cluster_nctarank":   func(*warp, int) uint64 { return 1 },
	"%current_graph_exec": func(*warp, int) uint64 { return 0 },
	// What lies there belongs to cooperative groups: barriers and room for what warps say to each other.
	"%reserved_smem_offset_begin": func(w *warp, _ int) uint64 { return uint64(w.block.launch.reservedAt()) },
	"%reserved_smem_offset_0":     func(w *warp, _ int) uint64 { return uint64(w.block.launch.reservedAt()) },
	"%reserved_smem_offset_1":     func(w *warp, _ int) uint64 { return uint64(w.block.launch.reservedAt()) },
	"%reserved_smem_offset_end":   func(w *warp, _ int) uint64 { return uint64(len(w.block.shared)) },
	"%reserved_smem_offset_cap":   func(w *warp, _ int) uint64 { return uint64(len(w.block.shared)) },
	// The driver's workspace for barriers of a grid: high and low half of its address.
	"%envreg1":                 func(w *warp, _ int) uint64 { return w.block.launch.workspace >> 32 },
	"%envreg2":                 func(w *warp, _ int) uint64 { return uint64(uint32(w.block.launch.workspace)) },
	"WARP_SZ":                  func(*warp, int) uint64 { return 32 },
	"%frame":                   func(w *warp, _ int) uint64 { return w.frame.local },
	"%dynamic_shared":          func(w *warp, _ int) uint64 { return uint64(w.block.launch.program.dynamicAt()) },
	"%is_explicit_cluster_u32": func(*warp, int) uint64 { return 0 },
}

// Special registers with a value for each dimension.
var sregs3 = map[string]func(w *warp, lane int) [3]uint32{
	"%tid":            func(w *warp, l int) [3]uint32 { return w.block.thread(w.index*32 + l) },
	"%ntid":           func(w *warp, _ int) [3]uint32 { return w.block.launch.Block },
	"%ctaid":          func(w *warp, _ int) [3]uint32 { return w.block.ctaid },
	"%nctaid":         func(w *warp, _ int) [3]uint32 { return w.block.launch.Grid },
	"%clusterid":      func(w *warp, _ int) [3]uint32 { return w.block.ctaid },
	"%nclusterid":     func(w *warp, _ int) [3]uint32 { return w.block.launch.Grid },
	"%cluster_ctaid":  func(*warp, int) [3]uint32 { return [3]uint32{} },
	"%cluster_nctaid": func(*warp, int) [3]uint32 { return [3]uint32{1, 1, 1} },
}

// clocks are special registers that are read anew each time. Cycles are nanoseconds.
var clocks = map[string]func() uint64{
	"%clock":          func() uint64 { return uint64(uint32(time.Since(started))) },
	"%clock_hi":       func() uint64 { return uint64(time.Since(started)) >> 32 },
	"%clock64":        func() uint64 { return uint64(time.Since(started)) },
	"%globaltimer":    func() uint64 { return uint64(time.Now().UnixNano()) },
	"%globaltimer_lo": func() uint64 { return uint64(uint32(time.Now().UnixNano())) },
	"%globaltimer_hi": func() uint64 { return uint64(time.Now().UnixNano()) >> 32 },
}

var started = time.Now()

func (b *block) sm() uint64 {
	g := b.launch.Grid
	i := uint64(b.ctaid[0]) + uint64(g[0])*(uint64(b.ctaid[1])+uint64(g[1])*uint64(b.ctaid[2]))
	return i % uint64(max(b.launch.Machine.SMs, 1))
}

// dynamicAt is the offset of dynamic shared memory.
func (p *Program) dynamicAt() int { return (p.SharedBytes + 15) &^ 15 }

// reservedBytes is the shared memory of a block that is the system's, as on GPUs since Ampere.
const reservedBytes = 1 << 10

// reservedAt is where the system's shared memory begins, behind the program's, which is allocated in whole units.
func (l *Launch) reservedAt() int {
	return (l.program.SharedBytes + int(l.SharedBytes) + sharedUnit - 1) / sharedUnit * sharedUnit
}

// sharedBytes is all shared memory of a block.
func (l *Launch) sharedBytes() int {
	if l.program.reserved {
		return l.reservedAt() + reservedBytes
	}
	return l.reservedAt()
}

// special returns the register that holds a special register.
func (c *compiler) special(name string) (int32, bool) {
	if read, ok := clocks[name]; ok {
		r := c.newReg(ptx.B64)
		guard := c.guard
		c.guard = 0
		c.add(instr{exec: execClock, d: r, x: read})
		c.guard = guard
		return r, true
	}
	if r, ok := c.specials[name]; ok {
		return r, true
	}
	if _, ok := sregs[name]; !ok && strings.HasPrefix(name, "%envreg") {
		return c.constant(0), true
	}
	if _, ok := sregs[name]; !ok {
		base, dim, _ := strings.Cut(name, ".")
		if _, ok := sregs3[base]; !ok || !strings.Contains("xyzw", dim) || len(dim) > 1 {
			return 0, false
		}
		if dim == "w" || dim == "" {
			return c.constant(0), dim == "w"
		}
	}
	if strings.HasPrefix(name, "%reserved_smem") {
		c.l.p.reserved = true
	}
	r := c.newReg(ptx.B64)
	c.specials[name] = r
	return r, true
}

func specialFill(name string) func(w *warp, lane int) uint64 {
	if f, ok := sregs[name]; ok {
		return f
	}
	base, dim, _ := strings.Cut(name, ".")
	f, i := sregs3[base], int(dim[0]-'x')
	return func(w *warp, lane int) uint64 { return uint64(f(w, lane)[i]) }
}

// frameBase holds where the function's frame begins in local memory.
func (c *compiler) frameBase() int32 {
	if c.f.Entry {
		return c.constant(0)
	}
	r, _ := c.special("%frame")
	return r
}

func (c *compiler) dynamicShared() int32 {
	r, _ := c.special("%dynamic_shared")
	return r
}

func execClock(w *warp, in *instr) {
	w.spin()
	broadcast(w, in.d, in.x.(func() uint64)())
}

// fillSpecials writes the mask's lanes of a function's special registers; those that each lane has of its own only
// if asked.
func (w *warp) fillSpecials(fn *function, own bool) {
	for i := range fn.specials {
		s := &fn.specials[i]
		if !s.own {
			broadcast(w, s.slot, s.fill(w, firstLane(w.mask)))
			continue
		}
		if !own {
			continue
		}
		d := &w.regs[s.slot]
		for lane := range d {
			if w.mask>>lane&1 != 0 {
				d[lane] = s.fill(w, lane)
			}
		}
	}
}

// fillConstants writes the constants of the entry function, once for all blocks.
func (w *warp) fillConstants(fn *function, mask uint32) {
	regs := w.regs
	if regs == nil {
		regs = w.file
	}
	for _, k := range fn.consts {
		d := &regs[k.slot]
		for lane := range d {
			if mask>>lane&1 != 0 {
				d[lane] = k.value
			}
		}
	}
}
