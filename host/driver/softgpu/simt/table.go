// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"

	"github.com/orion-vgpu/orion/host/driver/softgpu/ptx"
)

func init() {
	integerNeg := func(c *compiler, t ptx.Type) {
		mask := typeMask(t)
		c.emit1(t, func(a uint64) uint64 { return -a & mask })
	}
	translators = map[string]func(*compiler, *mods){
		"add": translateAdd, "sub": translateSub, "mul": translateMul, "mad": translateFma, "fma": translateFma,
		"div": translateDiv, "rem": translateRem, "mul24": translateMul24, "mad24": translateMad24, "sad": translateSad,
		"addc": translateCarry(false, true), "subc": translateCarry(true, true), "madc": translateMadCarry(true),
		"min": translateMinMax(false), "max": translateMinMax(true),
		"abs":      signBits(integerAbs, func(v, sign uint64) uint64 { return v &^ sign }),
		"neg":      signBits(integerNeg, func(v, sign uint64) uint64 { return v ^ sign }),
		"copysign": translateCopysign, "testp": translateTestp,
		"sqrt": translateSqrt, "rcp": translateRcp,
		"rsqrt": unary(func(x float64) float64 { return 1 / math.Sqrt(x) }),
		"sin":   unary(math.Sin), "cos": unary(math.Cos), "ex2": unary(math.Exp2), "lg2": unary(math.Log2), "tanh": unary(math.Tanh),
		"cvt": translateCvt, "setp": translateSetp, "set": translateSet, "selp": translateSelp, "slct": translateSlct,
		"and": bitwise(execAnd, func(a, b uint32) uint32 { return a & b }),
		"or":  bitwise(execOr, func(a, b uint32) uint32 { return a | b }),
		"xor": bitwise(execXor, func(a, b uint32) uint32 { return a ^ b }),
		"not": translateNot, "cnot": translateCnot, "shl": translateShift(true), "shr": translateShift(false),
		"shf": translateShf, "lop3": translateLop3, "popc": translatePopc, "clz": translateClz, "brev": translateBrev,
		"bfind": translateBfind, "fns": translateFns, "bfe": translateBfe, "bfi": translateBfi, "bmsk": translateBmsk,
		"szext": translateSzext, "prmt": translatePrmt, "dp4a": translateDot(true), "dp2a": translateDot(false),
		"ld": translateLd, "ldu": translateLd, "st": translateSt, "mov": translateMov, "cvta": translateCvta,
		"isspacep": translateIsspacep, "atom": translateAtom(true), "red": translateAtom(false),
		"bra": translateBra, "brx": translateBrx, "call": translateCall, "ret": translateRet, "exit": translateExit,
		"bar": translateBar, "barrier": translateBar, "membar": nothing, "fence": nothing, "prefetch": nothing,
		"prefetchu": nothing, "applypriority": nothing, "discard": nothing, "pmevent": nothing, "setmaxnreg": nothing,
		"griddepcontrol": nothing,
		"trap":           func(c *compiler, _ *mods) { c.emit(vinstr{instr: instr{exec: execTrap}}) },
		"brkpt":          func(c *compiler, _ *mods) { c.emit(vinstr{instr: instr{exec: execTrap}}) },
		"nanosleep":      func(c *compiler, m *mods) { m.typ(); c.add(instr{exec: execSleep}) },
		"shfl":           translateShfl, "vote": translateVote, "match": translateMatch, "redux": translateRedux,
		"cp": translateCp, "mbarrier": translateMbarrier, "wmma": translateWmma,
		"mma": translateMma, "ldmatrix": translateEights(true), "stmatrix": translateEights(false),
		"tex": translateTex, "tld4": translateTld4, "txq": translateQuery(false), "suq": translateQuery(true),
		"suld": translateSuld, "sust": translateSust, "sured": translateSured,
		"activemask": translateActivemask, "elect": translateElect,
	}
}

// execSleep gives way to others at once.
func execSleep(w *warp, _ *instr) { w.budget -= sliceLength / 8 }

// unserved are the instructions of PTX that have no translator: they are refused by name, and not taken for
// mistakes.
var unserved = set("istypep", "wgmma", "movmatrix", "tensormap", "mapa", "getctarank", "clusterlaunchcontrol", "multimem",
	"createpolicy", "stackrestore", "stacksave", "alloca", "tcgen05", "vmad", "vset", "vset2", "vset4")

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}
