// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"slices"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

// callSite is a call as its exec knows it.
type callSite struct {
	fn      *function // nil for a call through a pointer
	builtin builtin
	name    string
	args    []placed // in the caller's frame
	returns []placed
	frame   uint64 // bytes of the caller's frame
	caller  *function
}

func translateCall(c *compiler, m *mods) {
	m.ignore("uni")
	ops := c.in.Operands
	site := &callSite{caller: c.fn, frame: c.fn.frame}
	if len(ops) > 0 && ops[0].Kind == ptx.Group {
		site.returns = c.placed(ops[0].Elems)
		ops = ops[1:]
	}
	if len(ops) == 0 || ops[0].Kind != ptx.Ident {
		c.invalid("a call without a function")
	}
	target := ops[0].Name
	ops = ops[1:]
	if len(ops) > 0 && ops[0].Kind == ptx.Group {
		site.args = c.placed(ops[0].Elems)
		ops = ops[1:]
	}
	in := instr{exec: execCall, x: site}
	if r, ok := c.register(target); ok {
		in.exec, in.a = execCallIndirect, r
		c.l.pointerTargets()
		c.add(in)
		return
	}
	if a, ok := c.l.module.ast.Aliases[target]; ok {
		target = a
	}
	f := c.l.module.funcs[target]
	if f == nil || len(ops) > 0 {
		c.invalid("call of the unknown %s", target)
	}
	site.name = target
	if f.Body == nil {
		if site.builtin = builtins[target]; site.builtin == nil {
			c.throw(ErrUnsupported, "external function %s", target)
		}
		words := 0
		for _, p := range site.args {
			words += (p.size + 7) / 8
		}
		if words > maxWords {
			c.invalid("call of %s with %d words of arguments", target, words)
		}
		in.exec = execBuiltin
		c.add(in)
		return
	}
	if f.Entry || len(f.Params) != len(site.args) || len(f.Returns) != len(site.returns) {
		c.invalid("call of %s does not fit its declaration", target)
	}
	site.fn = c.l.function(f)
	c.l.calls[c.f.Name] = append(c.l.calls[c.f.Name], target)
	c.add(in)
}

// placed returns where in the frame the variables of a call's list are.
func (c *compiler) placed(list []ptx.Operand) []placed {
	var out []placed
	for _, o := range list {
		at, ok := c.frame[o.Name]
		if o.Kind != ptx.Ident || !ok {
			c.throw(ErrUnsupported, "an argument of a call that is no .param variable")
		}
		i := slices.IndexFunc(c.f.Body.Vars, func(v *ptx.Var) bool { return v.Name == o.Name })
		vars := c.f.Body.Vars
		if i < 0 {
			vars = append(slices.Clone(c.f.Params), c.f.Returns...)
			i = slices.IndexFunc(vars, func(v *ptx.Var) bool { return v.Name == o.Name })
		}
		out = append(out, placed{at, vars[i].Size})
	}
	return out
}

func execCall(w *warp, in *instr) {
	site := in.x.(*callSite)
	w.call(site, site.fn, w.mask)
}

func execCallIndirect(w *warp, in *instr) {
	site, a := in.x.(*callSite), w.regs[in.a]
	p := w.block.launch.program
	for left := w.mask; left != 0; {
		first := firstLane(left)
		group := uint32(0)
		for i := range a {
			if left>>i&1 != 0 && a[i] == a[first] {
				group |= 1 << i
			}
		}
		left &^= group
		n := a[first] - codeWindow
		fn := p.byNumber[int(n/codeStep)-1]
		if n%codeStep != 0 || n > offsetMask || fn == nil || len(fn.params) != len(site.args) || len(fn.returns) != len(site.returns) {
			w.raise(InvalidPC, first, a[first], "")
		}
		w.call(site, fn, group)
	}
}

// call makes lanes of the mask enter a function. The window of the frame that calls stays the current one.
func (w *warp) call(site *callSite, fn *function, mask uint32) {
	from := w.frame
	f := &frame{fn: fn, parent: from, ret: w.pc, depth: from.depth + 1, regs: from.regs + site.caller.slots,
		preds: from.preds + site.caller.preds, local: from.local + site.frame, call: site}
	if f.local+fn.frame > w.stride || f.regs+fn.slots > maxFile {
		w.raise(StackOverflow, firstLane(mask), 0, "calls are nested too deeply: raise the stack limit")
	}
	if need := f.regs + fn.slots - len(w.file); need > 0 {
		w.file = append(w.file, make([]lanes, need)...)
	}
	if need := f.preds + fn.preds - len(w.pfile); need > 0 {
		w.pfile = append(w.pfile, make([]uint32, need)...)
	}
	w.fork(fn.entry, mask, f)
	active, was := w.active, w.mask
	w.enter(f)
	w.mask = mask
	w.fillConstants(fn, mask)
	w.fillSpecials(fn, true)
	for i, p := range fn.params {
		w.copyFrame(mask, f.local+uint64(p.offset), from.local+uint64(site.args[i].offset), min(p.size, site.args[i].size))
	}
	w.enter(from)
	w.active, w.mask = active, was
}

// copyFrame copies within the local memory of lanes.
func (w *warp) copyFrame(mask uint32, to, from uint64, n int) {
	for i := range 32 {
		if mask>>i&1 != 0 {
			b := w.localMemory(i)
			copy(b[to:to+uint64(n)], b[from:from+uint64(n)])
		}
	}
}

func execRet(w *warp, in *instr) {
	f := w.frame
	if f.parent == nil {
		execExit(w, in)
		return
	}
	for i, p := range f.fn.returns {
		r := f.call.returns[i]
		w.copyFrame(w.mask, f.parent.local+uint64(r.offset), f.local+uint64(p.offset), min(r.size, p.size))
	}
	w.fork(f.ret, w.mask, f.parent)
}
