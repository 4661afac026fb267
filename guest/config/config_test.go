// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/keyfile"
)

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func TestController(t *testing.T) {
	for _, c := range []struct {
		name              string
		system, user, env string
		want              string
	}{
		{"nothing", "", "", "", "127.0.0.1:9123"},
		{"system", "s:1", "", "", "s:1"},
		{"user over system", "s:1", "u:2", "", "u:2"},
		{"environment over both", "s:1", "u:2", "e:3", "e:3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var files []keyfile.File
			for name, addr := range map[string]string{"1-system": c.system, "2-user": c.user} {
				if addr != "" {
					text := "[controller]\ncontroller_addr = " + addr + "\n[client]\nenable_net = true\n[log]\nlog_level = DEBUG\n"
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, name := range []string{"1-system", "2-user"} {
				files = append(files, keyfile.File{Path: filepath.Join(dir, name), Optional: true})
			}
			got, err := load(files, environment(map[string]string{"ORION_CONTROLLER": c.env}))
			if err != nil {
				t.Fatal(err)
			}
			if got.Controller != c.want {
				t.Errorf("controller is %q, want %q", got.Controller, c.want)
			}
			if set := c.system+c.user != ""; got.EnableNet != set || (got.Log.Level == "DEBUG") != set {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestLoadNamesTheUsersFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("ORION_CONTROLLER", "")
	path := filepath.Join(home, UserFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("[controller]\ncontroler_addr = x:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(""); err == nil || !strings.Contains(err.Error(), path+":2: [controller] has no key controler_addr; did you mean controller_addr?") {
		t.Errorf("got %v", err)
	}
}

func TestNamedFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("ORION_CONTROLLER", "")
	t.Setenv("ORION_SOCKET", "")
	t.Setenv("ORION_CONFIG", filepath.Join(dir, "named.conf"))
	if _, err := Load(""); err == nil {
		t.Error("ORION_CONFIG names a file that is absent, and that is no error")
	}
	if err := os.WriteFile(filepath.Join(dir, "named.conf"), []byte("[client]\nsocket = /a.sock\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(""); err != nil || c.Socket != "/a.sock" {
		t.Errorf("got %+v, %v", c, err)
	}
	t.Setenv("ORION_SOCKET", "b.sock")
	if _, err := Load(""); err == nil || !strings.Contains(err.Error(), `environment variable ORION_SOCKET is "b.sock": want an absolute path`) {
		t.Errorf("got %v", err)
	}
}

func TestReadDemand(t *testing.T) {
	for _, c := range []struct {
		vgpu, gmem, ratio, cross string
		want                     Demand
		err                      string
	}{
		{"1", "", "", "", Demand{VGPUs: 1}, ""},
		{"2", "256", "50", "0", Demand{2, 256, 50, false}, ""},
		{"2", "", "100", "1", Demand{2, 0, 100, true}, ""},
		{"", "256", "", "", Demand{}, "ORION_VGPU is not set"},
		{"two", "", "", "", Demand{}, `ORION_VGPU is "two": want a whole number from 1 to 16`},
		{"0", "", "", "", Demand{}, "from 1 to 16"},
		{"17", "", "", "", Demand{}, "from 1 to 16"},
		{"99999999999999999999", "", "", "", Demand{}, "from 1 to 16"},
		{"1", "-1", "", "", Demand{}, `ORION_GMEM is "-1"`},
		{"1", "", "101", "", Demand{}, `ORION_RATIO is "101"`},
		{"1", "", "100", "yes", Demand{}, `ORION_CROSS_NODE is "yes": want 0 or 1`},
		{"1", "", "", "1", Demand{}, "set ORION_RATIO=100"},
		{"1", "", "50", "1", Demand{}, "set ORION_RATIO=100"},
	} {
		got, err := ReadDemand(environment(map[string]string{"ORION_VGPU": c.vgpu, "ORION_GMEM": c.gmem, "ORION_RATIO": c.ratio, "ORION_CROSS_NODE": c.cross}))
		if got != c.want || c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%+v: got %+v, %v", c, got, err)
		}
	}
}
