// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"bufio"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

//go:embed spec/*.spec
var specFiles embed.FS

// Mode says where a function is implemented; see the package comment.
type Mode string

// The modes.
const (
	Call      Mode = "call"
	Cast      Mode = "cast"
	Fence     Mode = "fence"
	Wait      Mode = "wait"
	Guest     Mode = "guest"
	GuestCall Mode = "guest/call"
	GuestCast Mode = "guest/cast"
	GuestHost Mode = "guest/host"
	Alias     Mode = "alias"
	Absent    Mode = "absent"
)

// Param is one parameter. Dir is "in", "out", "inout", "new", "free" or "" for a scalar or handle by value.
type Param struct {
	Name, Dir, Type string
	Len             string // expression of a length, for bytes and arrays of handles
	Nullable        bool
	// Touch says what the command does with the region at a hostptr: "in", "out" or "flag", of which Len tells
	// the parameter with the length or the value; or "" for what is not known.
	Touch string
}

// Func is one exported function or one command.
type Func struct {
	Symbol  string // exported name, or the command's name
	Command bool
	Mode    Mode
	Since   int
	Thread  string // "_ptsz" or "_ptds" where there is a per-thread variant
	TSince  int    // CUDA version that introduced it
	Params  []Param
	Target  string // of an alias
	Reason  string // of an absence
	Area    string // name of the file that declares it
	Op      int    // opcode, 0 where nothing crosses
}

// Kinds are the kinds of handles, in the order of their numbers on the wire, which start at 1.
var Kinds = []string{"ctx", "stream", "event", "module", "func", "library", "kernel", "graph", "node", "exec",
	"pool", "array", "mipmap", "texref", "surfref", "link", "memh", "userobj", "green", "resdesc"}

// IsKind says whether t names a kind of handle.
func IsKind(t string) bool {
	for _, k := range Kinds {
		if k == t {
			return true
		}
	}
	return false
}

// Base is the function's name for cuGetProcAddress.
func (f *Func) Base() string { return versionSuffix.ReplaceAllString(f.Symbol, "") }

// Crosses says whether a command of this function is generated.
func (f *Func) Crosses() bool {
	return f.Command || f.Mode == Call || f.Mode == Cast || f.Mode == GuestCall || f.Mode == GuestCast
}

// OnHost says whether the host's driver interface has this function.
func (f *Func) OnHost() bool { return !f.Command && (f.Crosses() || f.Mode == GuestHost) }

// Async says whether the caller goes on without an answer.
func (f *Func) Async() bool { return f.Mode == Cast || f.Mode == GuestCast }

var (
	versionSuffix = regexp.MustCompile(`_v\d+$`)
	funcLine      = regexp.MustCompile(`^(\S+)\s+(cu\w+) (\d+)(?: (pts|ptd)(z|s):(\d+))?\s*(?:\((.*)\))?\s*(.*)$`)
	commandLine   = regexp.MustCompile(`^command (call|cast|fence|wait)\s+(\w+) \((.*)\)$`)
	paramText     = regexp.MustCompile(`^(?:(in|out|inout|new|free|flag) )?(\w+) (\w+)(?:\[([^\]]*)\])?(\?)?$`)
)

// Load parses the embedded specification. Opcodes are numbered in the order of the symbols.
func Load() ([]*Func, error) {
	names, err := fs.Glob(specFiles, "spec/*.spec")
	if err != nil {
		return nil, err
	}
	var all []*Func
	for _, name := range names {
		fns, err := parseFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, fns...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Symbol < all[j].Symbol })
	op := 1
	for i, f := range all {
		if i > 0 && all[i-1].Symbol == f.Symbol {
			return nil, fmt.Errorf("%s is declared twice", f.Symbol)
		}
		if f.Crosses() {
			f.Op = op
			op++
		}
	}
	return all, nil
}

// Hash identifies the specification: a client and a worker understand each other only with the same one.
func Hash(all []*Func) uint64 {
	h := fnv.New64a()
	for _, f := range all {
		if f.Crosses() {
			fmt.Fprintf(h, "%d %s %s %v\n", f.Op, f.Symbol, f.Mode, f.Params)
		}
	}
	return h.Sum64()
}

func parseFile(name string) ([]*Func, error) {
	file, err := specFiles.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	area := strings.TrimSuffix(strings.TrimPrefix(name, "spec/"), ".spec")
	var fns []*Func
	sc := bufio.NewScanner(file)
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		f.Area = area
		fns = append(fns, f)
	}
	return fns, sc.Err()
}

func parseLine(line string) (*Func, error) {
	if m := commandLine.FindStringSubmatch(line); m != nil {
		f := &Func{Command: true, Mode: Mode(m[1]), Symbol: m[2]}
		return f, f.parseParams(m[3])
	}
	m := funcLine.FindStringSubmatch(line)
	if m == nil {
		return nil, fmt.Errorf("parse %q: neither a function nor a command", line)
	}
	f := &Func{Mode: Mode(m[1]), Symbol: m[2]}
	f.Since, _ = strconv.Atoi(m[3])
	if m[4] != "" {
		f.Thread = "_" + m[4] + m[5]
		f.TSince, _ = strconv.Atoi(m[6])
	}
	switch f.Mode {
	case Call, Cast, Guest, GuestCall, GuestCast, GuestHost:
		if m[8] != "" {
			return nil, fmt.Errorf("parse %q: trailing %q", line, m[8])
		}
	case Alias:
		f.Target = m[8]
	case Absent:
		f.Reason = strings.Trim(m[8], `"`)
	default:
		return nil, fmt.Errorf("parse %q: unknown mode %q", line, f.Mode)
	}
	return f, f.parseParams(m[7])
}

func (f *Func) parseParams(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	for _, t := range strings.Split(text, ", ") {
		m := paramText.FindStringSubmatch(strings.TrimSpace(t))
		if m == nil {
			return fmt.Errorf("parse parameter %q of %s", t, f.Symbol)
		}
		p := Param{Dir: m[1], Name: m[2], Type: m[3], Len: m[4], Nullable: m[5] != ""}
		if p.Type == "hostptr" { // a word like another; what lies there is the relay's business
			p.Dir, p.Touch = "", p.Dir
		}
		if p.Dir == "flag" || (p.Touch != "") != (p.Type == "hostptr" && p.Len != "") {
			return fmt.Errorf("parameter %q of %s: in, out and flag of a hostptr come with a parameter in brackets, and flag with nothing else", t, f.Symbol)
		}
		switch p.Type {
		case "u8", "u16", "u32", "u64", "i32", "f32", "device", "devptr", "hostptr", "cstr", "bytes":
		default:
			if !IsKind(p.Type) {
				return fmt.Errorf("parameter %q of %s: unknown type %q", t, f.Symbol, p.Type)
			}
		}
		f.Params = append(f.Params, p)
	}
	return nil
}
