// SPDX-License-Identifier: Apache-2.0

package nvmltest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

func TestAffinity(t *testing.T) {
	t.Parallel()
	// A machine of two sockets with two nodes each, the GPU at the second node.
	machine := map[string]string{
		"bus/pci/devices/0000:1b:00.0/vendor":                 "0x10de",
		"bus/pci/devices/0000:1b:00.0/local_cpulist":          "4-7,68-71",
		"devices/system/cpu/online":                           "0-127",
		"devices/system/cpu/cpu4/topology/core_siblings_list": "0-7,64-71",
		"devices/system/node/has_memory":                      "0-3",
		"devices/system/node/node0/cpulist":                   "0-3,64-67",
		"devices/system/node/node1/cpulist":                   "4-7,68-71",
		"devices/system/node/node2/cpulist":                   "8-63",
		"devices/system/node/node3/cpulist":                   "72-127",
	}
	const everything = "ffffffffffffffff ffffffffffffffff 0 0\nffffffffffffffff ffffffffffffffff 0 0\nf 0 0 0\nf 0 0 0\n"
	program := ctest.Program(t, ctest.Compilers(t)[0], "address,undefined", "testdata/affinity.c")
	for _, c := range []struct {
		name   string
		change map[string]string // "" takes a file out
		want   string
	}{
		{"near a node", nil, "f0 f0 0 0\nff ff 0 0\n2 0 0 0\n3 0 0 0\n"},
		{"elsewhere", map[string]string{"bus/pci/devices/0000:1b:00.0/vendor": ""}, everything},
		{"another's device at its place", map[string]string{"bus/pci/devices/0000:1b:00.0/vendor": "0x8086"}, everything},
		{"no sockets told", map[string]string{"devices/system/cpu/cpu4/topology/core_siblings_list": ""}, "f0 f0 0 0\nf0 f0 0 0\n2 0 0 0\n2 0 0 0\n"},
		{"nonsense", map[string]string{"bus/pci/devices/0000:1b:00.0/local_cpulist": "x", "devices/system/cpu/online": "4-2,9000-9999999999999999999999"},
			"error 3\nerror 3\nerror 3\nerror 3\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range machine {
				if changed, ok := c.change[name]; ok {
					text = changed
				}
				if text == "" {
					continue
				}
				if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got, _ := ctest.Run(t, program, nil, dir); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}
