// SPDX-License-Identifier: Apache-2.0

package installer

import (
	"bytes"
	"debug/elf"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

// TestInstaller builds an installer of this tree, and uses it in each shell.
func TestInstaller(t *testing.T) {
	t.Parallel()
	from := parts(t)
	installer := build(t, from)
	t.Run("reproducible", func(t *testing.T) { sameAgain(t, from, installer) })
	script, files := split(t, installer)
	t.Run("payload", func(t *testing.T) { payload(t, files) })
	for name, shell := range shells(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range map[string]func(*testing.T, []string, string){
				"refusals": refusals, "life": func(t *testing.T, shell []string, installer string) { life(t, shell, installer, script, files) },
				"unfinished": unfinished, "damaged": damaged, "extract": extract, "chroot": inChroot, "services": withServices,
			} {
				t.Run(name, func(t *testing.T) { test(t, shell, installer) })
			}
		})
	}
}

func sameAgain(t *testing.T, from, installer string) {
	a, err := os.ReadFile(installer)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(build(t, from))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the same input makes another installer")
	}
}

// payload looks into what is installed: old systems must be able to run it.
func payload(t *testing.T, files map[string]file) {
	dir := t.TempDir()
	commands, err := os.ReadDir(filepath.Join(ctest.Root(t), "guest/cmd"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		f, ok := files["bin/"+c.Name()]
		if !ok {
			t.Errorf("it lacks %s", c.Name())
			continue
		}
		e, err := elf.NewFile(bytes.NewReader(f.data))
		if err != nil {
			t.Fatal(err)
		}
		if e.Section(".interp") != nil || e.Section(".dynamic") != nil {
			t.Errorf("%s is not static", c.Name())
		}
		if f.mode != 0o755 {
			t.Errorf("%s has the mode %o", c.Name(), f.mode)
		}
	}
	for _, name := range []string{"libcuda.so.1", "libnvidia-ml.so.1"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, files["lib/"+name].data, 0o755); err != nil {
			t.Fatal(err)
		}
		ctest.Open(t, path, name) // nothing beyond glibc 2.17
	}
	for _, name := range []string{"70-orion.rules", "LICENSE", "client.conf", "grant-device", "orion-client.sysusers", "orion-relay.service"} {
		if len(files[name].data) == 0 {
			t.Errorf("it lacks %s", name)
		}
	}
}

// life installs, installs again, upgrades, and removes.
func life(t *testing.T, shell []string, installer string, script []byte, files map[string]file) {
	root := t.TempDir()
	for _, dir := range []string{"/etc", "/usr/bin", "/lib64"} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/lib64/ld-linux-x86-64.so.2", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	before := list(t, root)
	must := func(installer string, args ...string) string {
		t.Helper()
		out, code := run(shell, installer, append(args, "--root", root, "-y")...)
		if code != 0 {
			t.Fatalf("%v: exit status %d\n%s", args, code, out)
		}
		return out
	}
	conf := root + "/etc/orion/client.conf"
	has := func(name string, want bool) {
		t.Helper()
		if _, err := os.Lstat(root + name); (err == nil) != want {
			t.Errorf("%s is there: %v", name, err == nil)
		}
	}

	must(installer)
	first := list(t, root)
	for _, want := range []string{
		"/usr/lib/orion/libcuda.so.1 -rwxr-xr-x", "/usr/lib/orion/libcuda.so Lrwxrwxrwx libcuda.so.1", "/usr/lib/orion/libnvidia-ml.so.1 -rwxr-xr-x",
		"/usr/lib/orion/grant-device -rwxr-xr-x", "/usr/bin/orion-check -rwxr-xr-x", "/usr/bin/orion-smi -rwxr-xr-x",
		"/usr/lib/udev/rules.d/70-orion.rules -rw-r--r--", "/etc/orion/client.conf -rw-r--r--", "/etc/ld.so.conf.d/000-orion.conf -rw-r--r--",
		"/var/lib/orion/client.manifest -rw-r--r--",
	} {
		if !slices.Contains(first, want) {
			t.Errorf("it lacks %s", want)
		}
	}
	if len(first) > 60 {
		t.Errorf("it left things behind: %s", strings.Join(first, "\n"))
	}
	must(installer)
	if again := list(t, root); !slices.Equal(first, again) {
		t.Errorf("installed again:\n%s\nwas\n%s", strings.Join(again, "\n"), strings.Join(first, "\n"))
	}

	// The next release has another client.conf, one tool more and another less.
	next := maps.Clone(files)
	next["client.conf"] = file{0o644, []byte("# new\n")}
	next["bin/orion-new"] = next["bin/orion-smi"]
	delete(next, "bin/orion-smi")
	upgrade := join(t, script, next, "1.3")
	must(upgrade)
	has("/usr/bin/orion-smi", false)
	has("/usr/bin/orion-new", true)
	if text, _ := os.ReadFile(conf); string(text) != "# new\n" {
		t.Errorf("an unchanged client.conf is not replaced: %s", text)
	}

	// A changed client.conf stays, and the new one lies beside, once.
	if err := os.WriteFile(conf, []byte("# mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := must(upgrade); strings.Contains(out, "client.conf") {
		t.Errorf("the same release speaks of client.conf: %s", out)
	}
	has("/etc/orion/client.conf.new", false)
	if out := must(installer); !strings.Contains(out, "kept /etc/orion/client.conf") {
		t.Errorf("it says: %s", out)
	}
	has("/etc/orion/client.conf.new", true)
	has("/usr/bin/orion-new", false)
	if text, _ := os.ReadFile(conf); string(text) != "# mine\n" {
		t.Errorf("a changed client.conf is now %s", text)
	}

	// Another folder, and back.
	must(installer, "-d", "/opt/orion")
	has("/opt/orion/libcuda.so.1", true)
	has("/usr/lib/orion", false)
	rule, _ := os.ReadFile(root + "/usr/lib/udev/rules.d/70-orion.rules")
	linker, _ := os.ReadFile(root + "/etc/ld.so.conf.d/000-orion.conf")
	if !strings.Contains(string(rule), "/opt/orion/grant-device") || string(linker) != "/opt/orion\n" {
		t.Errorf("the rule is %s, the linker's folder %s", rule, linker)
	}
	must(installer, "--no-ldconfig")
	has("/opt", false)
	has("/etc/ld.so.conf.d", false)

	if out := must(installer, "--uninstall"); !strings.Contains(out, "kept /etc/orion/client.conf") {
		t.Errorf("it says: %s", out)
	}
	left := list(t, root)
	if want := append(slices.Clone(before), "/etc/orion drwxr-xr-x", "/etc/orion/client.conf -rw-r--r--"); !sameLines(left, want) {
		t.Errorf("left:\n%s", strings.Join(left, "\n"))
	}
	if err := os.RemoveAll(root + "/etc/orion"); err != nil {
		t.Fatal(err)
	}
	must(installer)
	must(installer, "--uninstall")
	if left := list(t, root); !slices.Equal(left, before) {
		t.Errorf("left:\n%s", strings.Join(left, "\n"))
	}
	if out, code := run(shell, installer, "--root", root, "--uninstall", "-y"); code != 1 || !strings.Contains(out, "nothing is installed") {
		t.Errorf("removed twice: %d, %s", code, out)
	}
}

func sameLines(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func refusals(t *testing.T, shell []string, installer string) {
	root := t.TempDir()
	nvidia := root + "/usr/lib/x86_64-linux-gnu/libcuda.so.1"
	if err := os.MkdirAll(filepath.Dir(nvidia), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(nvidia, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	before := list(t, root)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--frobnicate", 2, "no option --frobnicate"},
		{"-d", 2, "-d needs a value"},
		{"-d relative", 2, "absolute path"},
		{"-d /", 2, "folder of its own"},
		{"-d /a;b -y", 2, "want a path of letters"},
		{"--root here", 2, "absolute path"},
		{"--user a/b", 2, "name of a user"},
		{"--help", 0, "Usage: install-client"},
		{"--version", 0, release},
		{"--uninstall -y --root " + root, 1, "nothing is installed"},
		{"-y --root " + root, 1, "/usr/lib/x86_64-linux-gnu/libcuda.so.1"},
		{"-y --root " + root, 1, "give -y twice"},
		{"--no-ldconfig --root " + root, 1, "nobody is there to ask: say -y"},
	} {
		if out, code := run(shell, installer, strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit status %d, want %d with %q\n%s", c.args, code, c.code, c.want, out)
		}
	}
	if after := list(t, root); !slices.Equal(before, after) {
		t.Errorf("refused, and changed to:\n%s", strings.Join(after, "\n"))
	}
	for _, args := range []string{"--no-ldconfig -y", "-yy", "-y -y"} {
		if out, code := run(shell, installer, append(strings.Fields(args), "--root", root)...); code != 0 {
			t.Errorf("%s: exit status %d\n%s", args, code, out)
		}
		if _, err := os.Stat(root + "/etc/ld.so.conf.d/000-orion.conf"); (err == nil) == strings.Contains(args, "no-ldconfig") {
			t.Errorf("%s: the linker's configuration: %v", args, err)
		}
	}
}

// unfinished has the installation fail in the middle: what it made can be removed, or installed over.
func unfinished(t *testing.T, shell []string, installer string) {
	root := t.TempDir()
	if err := os.MkdirAll(root+"/usr/lib", 0o755); err != nil {
		t.Fatal(err)
	}
	obstacle := root + "/usr/lib/udev"
	if err := os.WriteFile(obstacle, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	before := list(t, root)
	for _, then := range []string{"--uninstall", "again"} {
		out, code := run(shell, installer, "--root", root, "-y")
		if code == 0 || !strings.Contains(out, "the installation has not ended") {
			t.Fatalf("exit status %d\n%s", code, out)
		}
		if then == "again" {
			if err := os.Remove(obstacle); err != nil {
				t.Fatal(err)
			}
			if out, code := run(shell, installer, "--root", root, "-y"); code != 0 {
				t.Fatalf("exit status %d\n%s", code, out)
			}
			before = slices.DeleteFunc(before, func(line string) bool { return strings.HasPrefix(line, "/usr/lib/udev") })
		}
		if out, code := run(shell, installer, "--root", root, "-y", "--uninstall"); code != 0 {
			t.Fatalf("exit status %d\n%s", code, out)
		}
		if left := list(t, root); !slices.Equal(left, before) {
			t.Errorf("%s: left\n%s", then, strings.Join(left, "\n"))
		}
	}
}

func damaged(t *testing.T, shell []string, installer string) {
	whole, err := os.ReadFile(installer)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(whole)
	changed[len(changed)-1000] ^= 1
	for name, b := range map[string][]byte{"changed": changed, "cut": whole[:len(whole)-1], "longer": append(bytes.Clone(whole), 0)} {
		path := filepath.Join(t.TempDir(), "install-client")
		if err := os.WriteFile(path, b, 0o755); err != nil {
			t.Fatal(err)
		}
		root := t.TempDir()
		if out, code := run(shell, path, "--root", root, "-y"); code != 1 || !strings.Contains(out, "is damaged") || len(list(t, root)) != 0 {
			t.Errorf("%s: exit status %d\n%s", name, code, out)
		}
	}
}

func extract(t *testing.T, shell []string, installer string) {
	dir := t.TempDir() + "/x"
	if out, code := run(shell, installer, "--extract", dir); code != 0 {
		t.Fatalf("exit status %d\n%s", code, out)
	}
	if _, err := os.Stat(dir + "/lib/libcuda.so.1"); err != nil {
		t.Error(err)
	}
}
