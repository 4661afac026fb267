// SPDX-License-Identifier: Apache-2.0

package ptx

// Module is one PTX translation unit.
type Module struct {
	Version     [2]int   // of the language
	Target      []string // "sm_70" and options
	AddressSize int      // bits
	Vars        []*Var
	Funcs       []*Func
	Aliases     map[string]string
}

// Var is a variable, a function's parameter or its return value.
type Var struct {
	Name    string
	Space   Space
	Type    Type
	Align   int // bytes
	Size    int // bytes; 0 for an array without a length
	Unsized bool
	Extern  bool
	Weak    bool
	Local   bool // to its unit
	Managed bool
	At      uint64 // where a managed variable is to lie (package managed), 0 if anywhere
	Settled bool   // and it has had its first value, in another context's module
	Init    []Init
}

// Init is the value of one element of an initialised variable.
type Init struct {
	Value   uint64 // bits of the element, or the number added to Symbol's address
	Symbol  string
	Generic bool // the symbol's address is a generic one
	Shift   uint // for mask operators: bits by which the address is shifted right
}

// Func is a kernel or a device function.
type Func struct {
	Name            string
	Entry           bool
	Extern          bool
	Weak            bool
	Local           bool // to its unit
	Params, Returns []*Var
	MaxThreads      [3]int // .maxntid
	ReqThreads      [3]int // .reqntid
	MaxRegisters    int    // .maxnreg, 0 without it
	Body            *Body  // nil for a declaration
	Line            int
}

// Body is the code of a function. Names declared in inner scopes are made unique.
type Body struct {
	Regs       []RegDecl
	Vars       []*Var
	Code       []Instr
	Labels     map[string]int // index into Code, which may be its length
	Targets    map[string][]string
	Prototypes map[string]*Func

	exact  map[string]Type
	prefix map[string]RegDecl
}

// RegDecl declares one register, or Count of them named Name0, Name1, ...
type RegDecl struct {
	Name  string
	Type  Type
	Count int // 0: the one register Name
}

// Reg returns the type of the register called name.
func (b *Body) Reg(name string) (Type, bool) {
	if t, ok := b.exact[name]; ok {
		return t, true
	}
	i := len(name)
	for i > 0 && name[i-1] >= '0' && name[i-1] <= '9' {
		i--
	}
	if i == len(name) || len(name)-i > 8 || (name[i] == '0' && len(name)-i > 1) {
		return NoType, false
	}
	n := 0
	for _, c := range name[i:] {
		n = n*10 + int(c-'0')
	}
	d, ok := b.prefix[name[:i]]
	if !ok || n >= d.Count {
		return NoType, false
	}
	return d.Type, true
}

// Instr is one instruction: Op is its name, Mods the modifiers after it without dots.
type Instr struct {
	Guard    string // predicate register, empty for none
	Negate   bool   // of the guard
	Op       string
	Mods     []string
	Operands []Operand
	Line     int
}

// Name is the instruction with its modifiers.
func (i *Instr) Name() string {
	s := i.Op
	for _, m := range i.Mods {
		s += "." + m
	}
	return s
}

// OperandKind is what an operand is.
type OperandKind uint8

// The kinds of operands.
const (
	Ident   OperandKind = iota // Name, or !Name; Value is added to a symbol's address
	Integer                    // Value
	Single                     // Value holds the bits of a 32-bit float
	Double                     // Value holds the bits of a 64-bit float
	Memory                     // [Name+Value], Name may be empty; Elems for coordinates
	Vector                     // {Elems}
	Group                      // (Elems) of a call
	Pair                       // Elems[0]|Elems[1]
	Sink                       // _
)

// Operand is one operand.
type Operand struct {
	Kind   OperandKind
	Name   string
	Negate bool
	Value  uint64
	Elems  []Operand
}
