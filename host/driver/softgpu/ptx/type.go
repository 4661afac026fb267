// SPDX-License-Identifier: Apache-2.0

package ptx

// Type is a fundamental type of PTX.
type Type uint8

// The fundamental types.
const (
	NoType Type = iota
	Pred
	B8
	B16
	B32
	B64
	B128
	U8
	U16
	U32
	U64
	S8
	S16
	S32
	S64
	F16
	F16x2
	BF16
	BF16x2
	TF32
	F32
	F64
	E4M3x2
	E5M2x2
	Texref // references have no bits that kernels could look at
	Samplerref
	Surfref
)

var typeNames = map[string]Type{
	"pred": Pred, "b8": B8, "b16": B16, "b32": B32, "b64": B64, "b128": B128, "u8": U8, "u16": U16, "u32": U32,
	"u64": U64, "s8": S8, "s16": S16, "s32": S32, "s64": S64, "f16": F16, "f16x2": F16x2, "bf16": BF16,
	"bf16x2": BF16x2, "tf32": TF32, "f32": F32, "f64": F64, "e4m3x2": E4M3x2, "e5m2x2": E5M2x2,
	"texref": Texref, "samplerref": Samplerref, "surfref": Surfref,
}

// ParseType returns the type that a modifier names, without its dot.
func ParseType(s string) (Type, bool) {
	t, ok := typeNames[s]
	return t, ok
}

// String returns the name without a dot.
func (t Type) String() string {
	for n, v := range typeNames {
		if v == t {
			return n
		}
	}
	return "none"
}

// Size is the number of bytes of a value. A predicate has none.
func (t Type) Size() int {
	switch t {
	case B8, U8, S8:
		return 1
	case B16, U16, S16, F16, BF16, E4M3x2, E5M2x2:
		return 2
	case B32, U32, S32, F16x2, BF16x2, TF32, F32:
		return 4
	case B64, U64, S64, F64, Texref, Samplerref, Surfref:
		return 8
	case B128:
		return 16
	}
	return 0
}

// Opaque says whether a variable is a reference to a texture, sampler or surface.
func (t Type) Opaque() bool { return t >= Texref }

// Signed says whether values extend by their sign.
func (t Type) Signed() bool { return t >= S8 && t <= S64 }

// Float says whether values are floating point, packed pairs included.
func (t Type) Float() bool { return t >= F16 && t <= F64 }

// Space is a state space.
type Space uint8

// The state spaces. Generic addresses name memory of any of Global, Shared, Local and kernel parameters.
const (
	Generic Space = iota
	Reg
	Global
	Shared
	Const
	Local
	Param
)

var spaceNames = map[string]Space{
	"reg": Reg, "global": Global, "shared": Shared, "const": Const, "local": Local, "param": Param,
	"shared::cta": Shared, "param::entry": Param, "param::func": Param,
}

// ParseSpace returns the state space that a modifier names, without its dot.
func ParseSpace(s string) (Space, bool) {
	v, ok := spaceNames[s]
	return v, ok
}
