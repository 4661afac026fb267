// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/session/process"
)

func TestStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run", "sessions")
	s, err := NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	young := Session{ID: "ab", Lease: "l1", Worker: process.Ref{PID: 4, Start: 5}, Since: now, VGPUs: []VGPU{{GPU: 1, UUID: "GPU-x", MemoryBytes: 3, RatioPercent: 25}}}
	old := Session{ID: "cd", Lease: "l2", Since: now.Add(-time.Hour)}
	for _, r := range []Session{young, old, young} {
		if err := s.Save(r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Load()
	if want := []Session{old, young}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Load() = %+v, %v; want %+v", got, err, want)
	}
	if err := s.Remove("cd"); err != nil {
		t.Error(err)
	}
	if err := s.Remove("cd"); err != nil {
		t.Errorf("second Remove: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder holds %v, want one record", entries)
	}
}

func TestIDsStayInTheFolder(t *testing.T) {
	t.Parallel()
	s, err := NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "../a", "a/b", "A", ".", "0123456789012345678901234567890123"} {
		if err := s.Save(Session{ID: id}); err == nil {
			t.Errorf("Save(%q) succeeded", id)
		}
		if err := s.Remove(id); err == nil {
			t.Errorf("Remove(%q) succeeded", id)
		}
	}
}

// One spoilt record must not keep oriond from adopting the others.
func TestLoadLeavesOutSpoiltRecords(t *testing.T) {
	t.Parallel()
	s, err := NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(Session{ID: "ab"}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cd.json": "{", "ef.json": `{"id":"ab"}`, "01.json": "", "x.tmp": "{", "readme": "",
	} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Load()
	if len(got) != 1 || got[0].ID != "ab" || err == nil {
		t.Errorf("Load() = %+v, %v; want ab and an error", got, err)
	}
	if got, err := Load(filepath.Join(s.dir, "absent")); len(got) != 0 || err != nil {
		t.Errorf("Load of an absent folder = %v, %v", got, err)
	}
}

func TestDir(t *testing.T) {
	t.Parallel()
	if got := Dir("/run/orion/oriond.sock"); got != "/run/orion/oriond.sessions" {
		t.Errorf("Dir = %s", got)
	}
}
