// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/tests/chain"
)

// What a program asks for is checked before anything is asked of the pool.
func TestDemand(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	for _, c := range []struct {
		name string
		env  []string
		want []string
	}{
		{"missing", []string{"ORION_VGPU="}, []string{"ORION_VGPU is not set", "ORION_VGPU=1"}},
		{"a word", []string{"ORION_VGPU=two"}, []string{`ORION_VGPU is "two"`, "1 to 16"}},
		{"zero", []string{"ORION_VGPU=0"}, []string{`ORION_VGPU is "0"`}},
		{"negative", []string{"ORION_VGPU=-1"}, []string{`ORION_VGPU is "-1"`}},
		{"too many", []string{"ORION_VGPU=17"}, []string{`ORION_VGPU is "17"`, "1 to 16"}},
		{"enormous", []string{"ORION_VGPU=99999999999999999999"}, []string{"ORION_VGPU"}},
		{"memory", []string{"ORION_GMEM=1GB"}, []string{`ORION_GMEM is "1GB"`}},
		{"ratio", []string{"ORION_RATIO=101"}, []string{`ORION_RATIO is "101"`, "1 to 100"}},
		{"cross-node without whole GPUs", []string{"ORION_CROSS_NODE=1", "ORION_RATIO=50"}, []string{"ORION_RATIO=100"}},
		{"relative socket", []string{"ORION_SOCKET=oriond.sock"}, []string{`ORION_SOCKET is "oriond.sock"`, "absolute"}},
		{"nobody's socket", []string{"ORION_SOCKET=" + f.Dir + "/nobody.sock"}, []string{"nobody.sock", "is oriond running?"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			refused(t, f.RunEnv(t, f.Env(c.env...), f.program), append(c.want, "CUDA_ERROR_NO_DEVICE")...)
		})
	}
	t.Run("all right", func(t *testing.T) {
		t.Parallel()
		if r := f.RunEnv(t, f.Env("ORION_VGPU=2", "ORION_GMEM=64", "ORION_RATIO=10"), f.program); r.Code != 0 {
			t.Errorf("a sound demand ended with %d: %s", r.Code, r.Stderr)
		}
	})
}

// A mistake in a file is named by file, line and key, by all three programs.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	for _, c := range []struct {
		name, text string
		want       []string // besides the file's name
	}{
		{"unknown key", "[log]\nlog_to_file = false\nlog_levle = INFO\n", []string{":3", "log_levle", "log_level"}},
		{"unknown section", "\n[lgo]\nlog_to_file = false\n", []string{":2", "lgo"}},
		{"wrong value", "[log]\n\nlog_to_screen = perhaps\n", []string{":3", "log_to_screen", "perhaps"}},
		{"wrong address", "[controller]\n%s = nowhere\n", []string{":2", "nowhere"}},
		{"twice", "[log]\nlog_level = INFO\nlog_level = DEBUG\n", []string{":3", "log_level"}},
		{"no form", "[log]\nlog_level INFO\n", []string{":2"}},
	} {
		for _, p := range []struct {
			program, key string
			run          func(*testing.T, string) chain.Result
		}{
			{"oriond", "controller_addr", func(t *testing.T, conf string) chain.Result {
				return f.Run(t, filepath.Join(f.Bin, "oriond"), "run", "--config", conf)
			}},
			{"orion-controller", "listen_addr", func(t *testing.T, conf string) chain.Result {
				return f.Run(t, filepath.Join(f.Bin, "orion-controller"), "--config", conf)
			}},
			{"client", "controller_addr", func(t *testing.T, conf string) chain.Result {
				return f.RunEnv(t, f.Env("ORION_CONFIG="+conf), f.program)
			}},
		} {
			t.Run(p.program+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				conf := filepath.Join(t.TempDir(), "x.conf")
				if err := os.WriteFile(conf, []byte(strings.ReplaceAll(c.text, "%s", p.key)), 0o600); err != nil {
					t.Fatal(err)
				}
				refused(t, p.run(t, conf), append(c.want, conf)...)
			})
		}
	}
}

// A file that is named must be there, and be readable.
func TestUnreadableConfiguration(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	dir := t.TempDir()
	for name, conf := range map[string]string{"absent": filepath.Join(dir, "absent.conf"), "a folder": dir} {
		for _, r := range []chain.Result{
			f.Run(t, filepath.Join(f.Bin, "oriond"), "--config", conf),
			f.Run(t, filepath.Join(f.Bin, "orion-controller"), "--config", conf),
			f.RunEnv(t, f.Env("ORION_CONFIG="+conf), f.program),
		} {
			t.Log(name, strings.TrimSpace(r.Stderr))
			refused(t, r, conf)
		}
	}
}
