// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run", "vm")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"web1", "../up", "a/b", ".", "ü %2f", "qemu:/run/x.sock"} {
		d := Domain{Name: name, Run: "1", Region: "orion-x", Size: 64 << 20, Attached: true, Monitor: &Monitor{Socket: "/s", Size: 1}}
		for range 2 {
			if err := s.Save(d); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Load()
		if err != nil || !reflect.DeepEqual(got, []Domain{d}) {
			t.Errorf("Load() = %+v, %v; want %+v", got, err, d)
		}
		for range 2 {
			if err := s.Remove(name); err != nil {
				t.Error(err)
			}
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("the folder holds %v", entries)
	}
	if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) != 1 {
		t.Errorf("beside the folder there are %v", entries)
	}
}

// One spoilt record must not keep oriond from the others.
func TestLoadLeavesOutSpoiltRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(Domain{Name: "web1"}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a.json": "{", "b.json": `{"name":"c"}`, "d.json": "", "x.tmp": "{", "control": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Load()
	if len(got) != 1 || got[0].Name != "web1" || err == nil {
		t.Errorf("Load() = %+v, %v; want web1 and an error", got, err)
	}
}
