// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type values struct {
	level, name, addr string
	file              bool
	count             int
}

func schema(v *values) *Schema {
	s := &Schema{}
	s.Choice(&v.level, "log", "log_level", "INFO", "DEBUG", "INFO")
	s.Bool(&v.file, "log", "log_to_file", true)
	s.HostPort(&v.addr, "controller", "controller_addr", "127.0.0.1:9123").FromEnv("ORION_CONTROLLER")
	s.Int(&v.count, "server", "vgpu_count", 4, 1, 64)
	s.String(&v.name, "server", "node_name", "")
	return s
}

func TestParse(t *testing.T) {
	base := values{level: "INFO", addr: "127.0.0.1:9123", file: true, count: 4}
	with := func(change func(*values)) values {
		v := base
		change(&v)
		return v
	}
	for _, c := range []struct {
		name, text string
		want       values
	}{
		{"empty", "", base},
		{"comments only", "# a\n; b\n\n", base},
		{"values", "[log]\nlog_level = debug\nlog_to_file=off\n", with(func(v *values) { v.level, v.file = "DEBUG", false })},
		{"carriage returns and a byte order mark", "\xef\xbb\xbf[server]\r\nvgpu_count = 8\r\n", with(func(v *values) { v.count = 8 })},
		{"inline comment", "[server]\nvgpu_count = 8 # eight\n", with(func(v *values) { v.count = 8 })},
		{"inline comment needs a space", "[server]\nnode_name = a#b\n", with(func(v *values) { v.name = "a#b" })},
		{"quotes", "[server]\nnode_name = \"a b\"\n", with(func(v *values) { v.name = "a b" })},
		{"no expansion", "[server]\nnode_name = %(vgpu_count)s\n", with(func(v *values) { v.name = "%(vgpu_count)s" })},
		{"backslash at the end", "[server]\nnode_name = a\\\nvgpu_count = 2\n", with(func(v *values) { v.name, v.count = `a\`, 2 })},
		{"section in two parts", "[server]\nvgpu_count = 2\n[log]\nlog_level = DEBUG\n[server]\nnode_name = n\n",
			with(func(v *values) { v.count, v.level, v.name = 2, "DEBUG", "n" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var v values
			if err := schema(&v).Parse("x.conf", []byte(c.text)); err != nil {
				t.Fatal(err)
			}
			if v != c.want {
				t.Errorf("got %+v, want %+v", v, c.want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "\n[server]\nvgpu_cuont = 8\n", "x.conf:3: [server] has no key vgpu_cuont; did you mean vgpu_count?"},
		{"far from any", "[server]\nzzz = 8\n", "x.conf:2: [server] has no key zzz; known are vgpu_count, node_name"},
		{"key of another section", "[log]\nvgpu_count = 8\n", "x.conf:2: [log] has no key vgpu_count; it belongs into [server]"},
		{"unknown section", "[sever]\n", "x.conf:1: there is no section [sever]; did you mean [server]?"},
		{"not a number", "[server]\n#\nvgpu_count = four\n", `x.conf:3: [server] vgpu_count = "four": want a whole number from 1 to 64`},
		{"out of range", "[server]\nvgpu_count = 65\n", "from 1 to 64"},
		{"empty number", "[server]\nvgpu_count =\n", `x.conf:2: [server] vgpu_count = "": want`},
		{"not a boolean", "[log]\nlog_to_file = maybe\n", "x.conf:2: [log] log_to_file = \"maybe\": want true or false"},
		{"not a word", "[log]\nlog_level = LOUD\n", "want one of DEBUG, INFO"},
		{"no port", "[controller]\ncontroller_addr = 10.0.0.1\n", "x.conf:2: [controller] controller_addr = \"10.0.0.1\": want an address and a port"},
		{"port too large", "[controller]\ncontroller_addr = a:65536\n", "want an address and a port"},
		{"no assignment", "[server]\nvgpu_count 4\n", `x.conf:2: "vgpu_count 4": want key = value`},
		{"no section", "vgpu_count = 4\n", "x.conf:1: vgpu_count stands before any section"},
		{"open section", "[server\n", "x.conf:1:"},
		{"set twice", "[server]\nvgpu_count = 4\n\nvgpu_count = 5\n", "x.conf:4: [server] vgpu_count is set twice, first on line 2"},
		{"spanning lines", "[server]\nnode_name = \"\"\"a\nb\"\"\"\n", "x.conf:2: [server] node_name: values that span lines"},
		{"binary", "[server]\x00", "not a text file"},
		{"the default section of ini", "[DEFAULT]\nvgpu_count = 1\n", "x.conf:1: there is no section [DEFAULT]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var v values
			err := schema(&v).Parse("x.conf", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLoadPrecedence(t *testing.T) {
	dir := t.TempDir()
	system, user := filepath.Join(dir, "system.conf"), filepath.Join(dir, "user.conf")
	write(t, system, "[server]\nvgpu_count = 2\nnode_name = system\n[controller]\ncontroller_addr = a:1\n")
	write(t, user, "[server]\nnode_name = user\n[controller]\ncontroller_addr = b:2\n")
	env := func(name string) (string, bool) {
		if name == "ORION_CONTROLLER" {
			return "c:3", true
		}
		return "", false
	}
	var v values
	s := schema(&v)
	files := []File{{system, true}, {filepath.Join(dir, "absent.conf"), true}, {user, true}}
	if err := s.Load(files, env); err != nil {
		t.Fatal(err)
	}
	if want := (values{level: "INFO", file: true, count: 2, name: "user", addr: "c:3"}); v != want {
		t.Errorf("got %+v, want %+v", v, want)
	}
	for _, c := range []struct{ name, want string }{
		{"log_level", ""}, {"vgpu_count", system + ":2"}, {"node_name", user + ":2"},
		{"controller_addr", "environment variable ORION_CONTROLLER"},
	} {
		for _, k := range s.Keys() {
			if k.Name == c.name && k.Source() != c.want {
				t.Errorf("source of %s is %q, want %q", c.name, k.Source(), c.want)
			}
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.conf")
	write(t, large, strings.Repeat("#\n", MaxFileBytes/2+1))
	for _, c := range []struct{ name, path, env, want string }{
		{"absent", filepath.Join(dir, "absent.conf"), "", "absent.conf: no such file"},
		{"a folder", dir, "", "is a directory"},
		{"too large", large, "", "larger than"},
		{"environment", "", "nonsense", `environment variable ORION_CONTROLLER is "nonsense": want an address and a port`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var files []File
			if c.path != "" {
				files = append(files, File{Path: c.path})
			}
			var v values
			err := schema(&v).Load(files, func(string) (string, bool) { return c.env, true })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// FuzzParse checks that no text breaks the reader, that what is read stays in bounds, and that every error
// names the file.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "[log]\nlog_level=DEBUG\n", "[server]\nvgpu_count = 4 ; x\n", "[a", "a=b", "[server]\nnode_name=\"\"\"\n",
		"[server]\nnode_name=`\n", "[server]\nnode_name='a'\n\\\n", "[log.]\n=\n", "[server]\r\nvgpu_count=\\\r\n9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v values
		if err := schema(&v).Parse("x.conf", []byte(text)); err != nil {
			if !strings.HasPrefix(err.Error(), "x.conf:") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		if v.count < 1 || v.count > 64 || v.level != "DEBUG" && v.level != "INFO" || CheckHostPort(v.addr) != nil {
			t.Errorf("accepted %+v", v)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
