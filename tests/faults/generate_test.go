// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// generator makes commands by the specification: sound in form, with arguments that make sense now and then.
type generator struct {
	rng     *rand.Rand
	funcs   []*cuda.Func
	handles map[string][]uint64 // by kind, those that a command of ours may have made
	devptrs []uint64
	made    []made // by the frame made last
	base    uint64 // of the region
	size    uint64
}

func newGenerator(t *testing.T, rng *rand.Rand, s *session) *generator {
	t.Helper()
	all, err := cuda.Load()
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{rng: rng, handles: map[string][]uint64{}, base: s.base, size: uint64(len(s.mem))}
	for _, f := range all {
		if f.Crosses() {
			g.funcs = append(g.funcs, f)
		}
	}
	return g
}

func pick[T any](g *generator, of ...T) T { return of[g.rng.IntN(len(of))] }

func (g *generator) one(in int) bool { return g.rng.IntN(in) == 0 }

// next chooses a command. What ends or blocks contexts and streams is rare, or little would be left to try.
func (g *generator) next() *cuda.Func {
	for {
		f := g.funcs[g.rng.IntN(len(g.funcs))]
		if !ends.MatchString(f.Symbol) || g.one(30) {
			return f
		}
	}
}

var ends = regexp.MustCompile(`Destroy|Release|reset$|Unload|_free|release|BeginCapture|WaitValue|^host_func$|^launch|cuGraphLaunch`)

// frame makes a command with arguments.
func (g *generator) frame(f *cuda.Func) []byte {
	words := g.words(f)
	for !g.one(20000) && !plausible(f, words) { // what is not ends the session
		words = g.words(f)
	}
	g.made = g.made[:0]
	var args []any
	for _, p := range f.Params {
		args = g.argument(args, p, words)
	}
	// Slots other than the first are for answers that nobody waits for.
	slot, seq := uint32(g.rng.IntN(4)), g.rng.Uint32()
	if slot == 1 {
		slot = 0
	}
	return command(uint16(f.Op), uint32(g.handle("ctx")), slot, seq, args...)
}

// made is a handle that the latest command makes or ends.
type made struct {
	kind string
	id   uint64
	free bool
}

// learn takes note of what a command that succeeded has made: handles, and memory.
func (g *generator) learn(f *cuda.Func, data []byte) {
	for _, m := range g.made {
		known := slices.DeleteFunc(g.handles[m.kind], func(id uint64) bool { return id == m.id })
		if !m.free {
			known = append(known, m.id)
		}
		g.handles[m.kind] = known
	}
	for _, p := range f.Params {
		if p.Dir == "out" && p.Type == "devptr" && len(data) >= 8 {
			g.devptrs = append(g.devptrs, le.Uint64(data))
		}
		if p.Dir == "out" {
			break
		}
	}
}

// makes says whether learn could learn from a command.
func makes(f *cuda.Func) bool {
	return slices.ContainsFunc(f.Params, func(p cuda.Param) bool {
		return p.Dir == "new" || p.Dir == "free" || p.Dir == "out" && p.Type == "devptr"
	})
}

// words chooses the scalar arguments of a command.
func (g *generator) words(f *cuda.Func) map[string]uint64 {
	words := map[string]uint64{}
	for _, p := range f.Params {
		if scalar(p) {
			words[p.Name] = g.word(p.Type)
		}
	}
	for _, p := range f.Params { // lengths are mostly small
		if m := expression.FindStringSubmatch(p.Len); m != nil && m[2] != "" && !g.one(16) {
			words[m[2]] = pick[uint64](g, 0, 1, 1, 2, 3, 5, 64)
		}
	}
	return words
}

// plausible says whether runs of these lengths can be sent and answered.
func plausible(f *cuda.Func, words map[string]uint64) bool {
	for _, p := range f.Params {
		if n := evaluate(p.Len, words); n > 1000 && (p.Type != "bytes" || n > wire.SlotRoom) {
			return false
		}
	}
	return true
}

func scalar(p cuda.Param) bool {
	return p.Len == "" && p.Type != "cstr" && !cuda.IsKind(p.Type) && p.Dir != "out"
}

func (g *generator) argument(args []any, p cuda.Param, words map[string]uint64) []any {
	switch {
	case p.Dir == "new":
		id := 200 + g.rng.Uint64N(1000)
		g.made = append(g.made, made{p.Type, id, false})
		return append(args, id)
	case p.Dir == "out":
		return args
	case p.Type == "cstr":
		return append(args, []byte(pick(g, "add", "spin", "empty", "", "no such name", "add\x00add")))
	case p.Type == "bytes":
		if p.Nullable && g.one(3) {
			return append(args, ^uint64(0))
		}
		return append(args, g.bytes(evaluate(p.Len, words)))
	case p.Len != "":
		n := evaluate(p.Len, words)
		args = append(args, n)
		for range min(n, 1000) {
			args = append(args, g.handle(p.Type))
		}
		return args
	case cuda.IsKind(p.Type):
		id := g.handle(p.Type)
		if p.Dir == "free" {
			g.made = append(g.made, made{p.Type, id, true})
		}
		return append(args, id)
	}
	return append(args, words[p.Name])
}

// expression is the form of a length: a number, or a parameter with a factor and something off.
var expression = regexp.MustCompile(`^(?:(\d+)\*)?([A-Za-z]\w*)?(\d+)?(?:-(\d+))?$`)

func evaluate(length string, words map[string]uint64) uint64 {
	m := expression.FindStringSubmatch(length)
	if m == nil {
		panic(fmt.Sprintf("length %q", length))
	}
	number := func(text string, otherwise uint64) uint64 {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n
		}
		return otherwise
	}
	n := number(m[3], 0)
	if m[2] != "" {
		n = words[m[2]]
	}
	return n*number(m[1], 1) - number(m[4], 0)
}

// bytes are random, zero, or words that may be handles and addresses in what the driver takes for a structure.
func (g *generator) bytes(n uint64) []byte {
	b := make([]byte, min(n, 64<<10))
	switch g.rng.IntN(4) {
	case 2: // memory that is there, and a small number
		for i := 0; i+8 <= len(b) && len(g.devptrs) > 0; i += 8 {
			le.PutUint64(b[i:], pick(g, g.devptrs[i/8%len(g.devptrs)], 1, 4))
		}
	case 0:
		for i := range b {
			b[i] = byte(g.rng.Uint32())
		}
	case 1:
		for i := 0; i+8 <= len(b); i += 8 {
			le.PutUint64(b[i:], g.word(pick(g, "u32", "u64", "devptr", "hostptr", "u8", "u8")))
		}
	}
	return b
}

func (g *generator) handle(kind string) uint64 {
	switch known := g.handles[kind]; {
	case len(known) > 0 && !g.one(30):
		return known[g.rng.IntN(len(known))]
	case g.one(2):
		return 0
	}
	return pick(g, 1, 2, 16+g.rng.Uint64N(100), 1<<22+g.rng.Uint64N(100), 1<<23, g.rng.Uint64())
}

func (g *generator) word(kind string) uint64 {
	switch kind {
	case "devptr":
		if len(g.devptrs) > 0 && !g.one(10) {
			return g.devptrs[g.rng.IntN(len(g.devptrs))] + pick[uint64](g, 0, 0, 0, 1, 8, 4096, 1<<20, ^uint64(7))
		}
		return pick(g, 0, g.base+wire.StageOffset, g.base, g.rng.Uint64())
	case "hostptr":
		return pick(g, g.base+wire.StageOffset+g.rng.Uint64N(1<<16)&^7, g.base+wire.HeapOffset(g.size), g.base+g.size-8,
			g.base+g.size, g.base, g.base+wire.RingOffset, 0, g.rng.Uint64())
	case "f32", "u64":
		if g.one(8) {
			return pick(g, 1<<20, 1<<31, 1<<32-1, 1<<40, 1<<63, 1<<64-1, 1<<64-8, g.rng.Uint64())
		}
	case "u32", "i32":
		if g.one(32) {
			return pick(g, 1<<16, 1<<20, 1<<31, 1<<32-1, g.rng.Uint64())
		}
	}
	return pick[uint64](g, 0, 0, 1, 1, 1, 2, 3, 4, 8, 16, 32, 100)
}
