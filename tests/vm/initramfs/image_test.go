// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// unpack reads an archive as the kernel's documentation has it, and returns mode and content by name.
func unpack(t *testing.T, b []byte) (modes map[string]uint64, contents map[string]string, order []string) {
	t.Helper()
	modes, contents = map[string]uint64{}, map[string]string{}
	for at := 0; ; {
		field := func(i int) int {
			v, err := strconv.ParseUint(string(b[at+6+8*i:at+14+8*i]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int(v)
		}
		if at%4 != 0 || string(b[at:at+6]) != "070701" {
			t.Fatalf("there is no header at %d", at)
		}
		mode, size, length := field(1), field(6), field(11)
		name := string(bytes.TrimRight(b[at+110:at+110+length], "\x00"))
		data := (at + 110 + length + 3) &^ 3
		if name == "TRAILER!!!" {
			return modes, contents, order
		}
		modes[name], contents[name], order = uint64(mode), string(b[data:data+size]), append(order, name)
		at = (data + size + 3) &^ 3
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("copied"), 0o751); err != nil {
		t.Fatal(err)
	}
	var im Image
	im.File("/a/b/text", 0o640, []byte("abcde"))
	im.File("/a/b/text", 0o600, []byte("later"))
	im.Link("a/link", "b/text")
	im.Dir("/tmp", 0o777|os.ModeSticky)
	if err := im.Copy("/bin/copy", file); err != nil {
		t.Fatal(err)
	}
	if err := im.Copy("/bin/none", file+".none"); err == nil {
		t.Error("a file that is not there was copied")
	}
	var b bytes.Buffer
	if err := im.Write(&b); err != nil {
		t.Fatal(err)
	}
	modes, contents, order := unpack(t, b.Bytes())
	for name, want := range map[string]struct {
		mode uint64
		text string
	}{
		"a": {0o40755, ""}, "a/b": {0o40755, ""}, "a/b/text": {0o100600, "later"}, "a/link": {0o120777, "b/text"},
		"tmp": {0o41777, ""}, "bin": {0o40755, ""}, "bin/copy": {0o100751, "copied"},
	} {
		if modes[name] != want.mode || contents[name] != want.text {
			t.Errorf("%s has mode %o and holds %q, want %o and %q", name, modes[name], contents[name], want.mode, want.text)
		}
	}
	if len(order) != 7 {
		t.Errorf("the image holds %q", order)
	}
	seen := map[string]bool{".": true}
	for _, name := range order {
		if !seen[filepath.Dir(name)] {
			t.Errorf("%s comes before its folder", name)
		}
		seen[name] = true
	}
}

// TestProgram takes a program with the libraries that it needs.
func TestProgram(t *testing.T) {
	t.Parallel()
	program, err := os.Executable() // with the race detector, or by cgo, it has some
	if err != nil {
		t.Fatal(err)
	}
	var im Image
	if err := im.Program("/bin/program", program); err != nil {
		t.Fatal(err)
	}
	if err := im.Library("libc.so.6"); err != nil {
		t.Skipf("no glibc for x86-64 here: %v", err)
	}
	for _, name := range []string{"bin/program", "lib/x86_64-linux-gnu/libc.so.6"} {
		if _, ok := im.entries[name]; !ok {
			t.Errorf("the image lacks %s", name)
		}
	}
	if err := im.Library("libnone.so.1"); err == nil {
		t.Error("a library that is nowhere was found")
	}
}
