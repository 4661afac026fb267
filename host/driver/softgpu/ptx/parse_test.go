// SPDX-License-Identifier: Apache-2.0

package ptx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const small = `.version 8.4
.target sm_70, debug
.address_size 64
.extern .shared .align 16 .b8 dyn[];
.global .align 8 .u64 table[3] = {generic(x), x+4, 7};
.global .align 4 .f32 x = 0f3F800000;
.visible .entry k(.param .u64 .ptr .global .align 4 k_param_0, .param .align 8 .b8 k_param_1[24])
.maxntid 128, 1, 1
{
	.reg .pred %p<3>;
	.reg .b32 %r<4>;
	{ .reg .b32 %r<2>; .reg .b32 t; mov.u32 t, %tid.x; mov.u32 %r1, t; }
	mov.u32 %r1, -5; // comment
$L:
	@!%p1 ld.global.v2.u32 {%r1, %r2}, [%r3+-8];
	setp.lt.and.s32 %p1|%p2, %r1, 0x10, !%p0;
	bra.uni $L;
	mov.u32 %r1, table[2]+4;
}
`

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := Parse(small)
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != [2]int{8, 4} || m.AddressSize != 64 || len(m.Vars) != 3 || len(m.Funcs) != 1 {
		t.Fatalf("module is %+v", m)
	}
	if v := m.Vars[0]; !v.Extern || !v.Unsized || v.Space != Shared || v.Align != 16 {
		t.Errorf("extern shared array is %+v", v)
	}
	if i := m.Vars[1].Init; len(i) != 3 || !i[0].Generic || i[1].Symbol != "x" || i[1].Value != 4 || i[2].Value != 7 {
		t.Errorf("initialiser is %+v", i)
	}
	f := m.Funcs[0]
	if f.Params[1].Size != 24 || f.Params[0].Align != 8 || f.MaxThreads != [3]int{128, 1, 1} {
		t.Errorf("function is %+v %+v", f.Params[0], f)
	}
	c := f.Body.Code
	if c[1].Operands[0].Name == "%r1" || c[2].Operands[0].Name != "%r1" {
		t.Errorf("scopes are mixed up: %+v", c[:3])
	}
	if typ, ok := f.Body.Reg(c[1].Operands[0].Name); !ok || typ != B32 {
		t.Errorf("inner register %q is unknown", c[1].Operands[0].Name)
	}
	if c[2].Operands[1].Value != ^uint64(4) {
		t.Errorf("-5 is %x", c[2].Operands[1].Value)
	}
	ld := c[3]
	if ld.Guard != "%p1" || !ld.Negate || ld.Name() != "ld.global.v2.u32" || ld.Operands[1].Value != ^uint64(7) {
		t.Errorf("load is %+v", ld)
	}
	if set := c[4].Operands; set[0].Kind != Pair || !set[3].Negate {
		t.Errorf("setp is %+v", set)
	}
	if at := c[6].Operands[1]; at.Name != "table" || at.Value != 2*8+4 {
		t.Errorf("an element's address is %+v", at)
	}
	if f.Body.Labels["$L"] != 3 {
		t.Errorf("labels are %v", f.Body.Labels)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ".version"},
		{"not PTX", "int main() {}", ".version"},
		{"cut off", strings.TrimSuffix(small, "}\n"), "ends within"},
		{"comment", ".version 8.0\n/* ", "comment"},
		{"huge array", ".version 8.0\n.global .b32 a[999999999999][9999999999];", "TiB"},
		{"registers", ".version 8.0\n.entry k(){ .reg .b32 %r<99999999>; }", "registers"},
		{"indexed register", ".version 8.0\n.entry k(){ .reg .b32 r; mov.b32 r, r[1]; }", "no variable"},
		{"twice", ".version 8.0\n.entry k(){ A: A: ret; }", "twice"},
		{"deep", ".version 8.0\n.entry k()" + strings.Repeat("{", 1000), "deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Parse = %v, want an error with %q", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	files, _ := filepath.Glob("../testdata/*.ptx")
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if (m == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", m, err)
		}
	})
}

func TestAddressSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		".version 1.4\n.target sm_10":                    64,
		".version 2.2\n.target sm_20":                    64,
		".version 2.3\n.target sm_20":                    32,
		".version 8.4\n.target sm_70":                    32,
		".version 1.4\n.target sm_10\n.address_size 32":  32,
		".version 8.4\n.target sm_70\n.address_size 64 ": 64,
	} {
		if m, err := Parse(text); err != nil || m.AddressSize != want {
			t.Errorf("%q gave %+v, %v, want %d bits", text, m, err, want)
		}
	}
}
