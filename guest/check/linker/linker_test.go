// SPDX-License-Identifier: Apache-2.0

package linker

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// cc compiles and returns the path of what was made.
func cc(t *testing.T, out string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no C compiler to make programs for the dynamic linker")
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command(path, append([]string{"-o", out}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("compile %v: %v\n%s", args, err, text)
	}
	return out
}

// probed makes a library to be found.
func probed(t *testing.T, folder string, more ...string) string {
	t.Helper()
	source := filepath.Join(t.TempDir(), "probed.c")
	if err := os.WriteFile(source, []byte("int probed;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return cc(t, filepath.Join(folder, "libprobed.so.1"), append([]string{"-shared", "-fPIC", "-Wl,-soname,libprobed.so.1", source}, more...)...)
}

// TestAsTheDynamicLinker compares what is told of programs with what the dynamic linker does.
func TestAsTheDynamicLinker(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, b := filepath.Dir(probed(t, dir+"/a")), filepath.Dir(probed(t, dir+"/b"))
	beside := filepath.Dir(probed(t, dir+"/bin/lib"))
	junk, err := os.ReadFile(probed(t, dir+"/junk"))
	if err != nil {
		t.Fatal(err)
	}
	junk[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	if err := os.WriteFile(dir+"/junk/libprobed.so.1", junk, 0o755); err != nil {
		t.Fatal(err)
	}
	const rpath, runpath = "-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"
	for _, c := range []struct {
		name        string
		program     []string // flags
		library     []string // flags of a library that opens it in the program's place
		libraryPath string
		want        string // folder
	}{
		{"nothing", nil, nil, "", ""},
		{"LD_LIBRARY_PATH", nil, nil, a, a},
		{"two folders", nil, nil, "/nonexistent:" + b + ":" + a, b},
		{"a file of another kind", nil, nil, dir + "/junk:" + b, b},
		{"rpath", []string{rpath, "-Wl,-rpath," + a}, nil, "", a},
		{"rpath over LD_LIBRARY_PATH", []string{rpath, "-Wl,-rpath," + a}, nil, b, a},
		{"runpath", []string{runpath, "-Wl,-rpath," + a}, nil, "", a},
		{"LD_LIBRARY_PATH over runpath", []string{runpath, "-Wl,-rpath," + a}, nil, b, b},
		{"origin", []string{rpath, "-Wl,-rpath,$ORIGIN/lib"}, nil, "", beside},
		{"origin in braces", []string{runpath, "-Wl,-rpath,${ORIGIN}/../a"}, nil, "", a},
		{"library's runpath", nil, []string{runpath, "-Wl,-rpath," + a}, "", a},
		{"library's rpath over LD_LIBRARY_PATH", nil, []string{rpath, "-Wl,-rpath," + a}, b, a},
		{"program's rpath for its library", []string{rpath, "-Wl,-rpath," + b + ":" + dir + "/bin"}, []string{}, a, b},
		{"program's runpath not for its library", []string{runpath, "-Wl,-rpath," + b + ":" + dir + "/bin"}, []string{}, "", ""},
		{"library's runpath switches rpaths off", []string{rpath, "-Wl,-rpath," + b}, []string{runpath, "-Wl,-rpath,/nonexistent"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := strings.ReplaceAll(c.name, " ", "-")
			flags := append([]string{"testdata/opener.c"}, c.program...)
			libraryPath := c.libraryPath
			if c.library != nil {
				opener := "libopener-" + name + ".so"
				cc(t, dir+"/bin/"+opener, append([]string{"-DLIBRARY", "-shared", "-fPIC", "-Wl,-soname," + opener, "testdata/opener.c", "-ldl"}, c.library...)...)
				flags = append(flags, "-DBY_LIBRARY", "-L"+dir+"/bin", "-l:"+opener)
				libraryPath = strings.TrimPrefix(libraryPath+":"+dir+"/bin", ":")
			}
			program := cc(t, dir+"/bin/"+name, append(flags, "-ldl")...)

			cmd := exec.Command(program)
			cmd.Env = []string{"LD_LIBRARY_PATH=" + libraryPath}
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v", program, err)
			}
			real := strings.TrimSpace(string(out))
			if want := c.want; want != "" && filepath.Clean(real) != want+"/libprobed.so.1" || want == "" && real != "" {
				t.Fatalf("the dynamic linker found %q, the test wants %q", real, want)
			}
			l, err := Open("", libraryPath)
			if err != nil {
				t.Fatal(err)
			}
			uses, err := l.Program(program, "libprobed.so.1", "libopener-")
			if err != nil {
				t.Fatal(err)
			}
			got := uses[len(uses)-1]
			if got.Path != real && filepath.Clean(got.Path) != filepath.Clean(real) {
				t.Errorf("got %+v, the dynamic linker found %q", got, real)
			}
		})
	}
}

func TestNeeded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	library := probed(t, dir)
	program := cc(t, dir+"/program", "testdata/opener.c", "-Wl,--no-as-needed", "-L"+dir, "-l:libprobed.so.1", "-ldl")
	l, _ := Open("", dir)
	uses, err := l.Program(program, "libprobed.so.1")
	if err != nil || len(uses) != 1 || !uses[0].Needs || uses[0].Path != library || uses[0].By != "LD_LIBRARY_PATH" {
		t.Errorf("got %+v, %v", uses, err)
	}
	if _, err := l.Program("testdata/opener.c", "libprobed.so.1"); err == nil {
		t.Error("a source is taken for a program")
	}
	l.libraryPath = ""
	l.cache = map[string][]string{"libprobed.so.1": {"/nonexistent", library}}
	if f, ok := l.Find("libprobed.so.1"); !ok || f != (Found{library, "ldconfig"}) {
		t.Errorf("by the cache: got %+v", f)
	}
	link := dir + "/other"
	if err := os.Mkdir(link, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(library, link+"/libprobed.so.1"); err != nil {
		t.Fatal(err)
	}
	l.libraryPath = link
	if all := l.All("libprobed.so.1"); !slices.Equal(all, []string{link + "/libprobed.so.1"}) {
		t.Errorf("one library by two names: got %v", all)
	}
}

// TestCache compares with ldconfig's own reading of the machine's cache.
func TestCache(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("/sbin/ldconfig", "-p").Output()
	if err != nil {
		t.Skipf("no ldconfig to compare with: %v", err)
	}
	b, err := os.ReadFile(CachePath)
	if err != nil {
		t.Skip(err)
	}
	got, err := parseCache(b)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range strings.Split(string(out), "\n") {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " (libc6,x86-64)")
		_, path, found := strings.Cut(rest, "=> ")
		if !ok || !found {
			continue
		}
		n++
		if !slices.Contains(got[name], path) {
			t.Errorf("%s: got %v, ldconfig has %s", name, got[name], path)
		}
	}
	if n == 0 {
		t.Skip("the machine's cache is empty, or ldconfig's words are unknown")
	}
}

func FuzzCache(f *testing.F) {
	if b, err := os.ReadFile(CachePath); err == nil {
		f.Add(b[:min(len(b), 4096)])
	}
	f.Add([]byte("ld.so-1.7.0\x00glibc-ld.so.cache1.1\x01\x00\x00\x00" + strings.Repeat("\x00", 60)))
	f.Fuzz(func(t *testing.T, b []byte) {
		libraries, err := parseCache(b)
		for name, paths := range libraries {
			if err != nil || name == "" || len(paths) == 0 {
				t.Errorf("%q: %q, %v", name, paths, err)
			}
		}
	})
}

func TestOrion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "identity.c")
	text := `__attribute__((section(".orion"), used)) static const char identity[] = "release=1.2.3 commands=0x8ec6a6ca24d6e866ull";`
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ours := probed(t, dir+"/ours", source)
	l, _ := Open("", "")
	if release, commands, ok := l.Orion(ours); release != "1.2.3" || commands != 0x8ec6a6ca24d6e866 || !ok {
		t.Errorf("got %s, %#x, %v", release, commands, ok)
	}
	if release, _, ok := l.Orion(probed(t, dir+"/others")); ok {
		t.Errorf("another library is taken for Orion's %q", release)
	}
	found, ok := l.Find("libc.so.6")
	if !ok {
		t.Skip("this machine has no glibc")
	}
	if major, minor, err := l.Glibc(found.Path); err != nil || major != 2 || minor < 17 {
		t.Errorf("glibc is %d.%d, %v", major, minor, err)
	}
	if _, _, err := l.Glibc(ours); err == nil {
		t.Error("another library is taken for glibc")
	}
}
