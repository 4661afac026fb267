// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/keyfile"
)

func TestNew(t *testing.T) {
	for _, c := range []struct {
		name         string
		config       Config
		screen, file []string // the lines that end up there, without their time
		screenTime   bool
	}{
		{"both, levels apart", Config{WithTime: true, ToScreen: true, ToFile: true, Level: "ERROR", FileLevel: "DEBUG"},
			[]string{"broken"}, []string{"detail", "news", "broken"}, true},
		{"screen without time", Config{ToScreen: true, Level: "INFO"}, []string{"news", "broken"}, nil, false},
		{"file only", Config{ToFile: true, FileLevel: "INFO"}, nil, []string{"news", "broken"}, false},
		{"neither", Config{}, nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.config.Dir, c.config.File = filepath.Join(t.TempDir(), "logs"), "server.log"
			var screen bytes.Buffer
			log, closer, err := newTo(c.config, &screen)
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("detail")
			log.Info("news")
			log.Error("broken")
			if err := closer.Close(); err != nil {
				t.Fatal(err)
			}
			check(t, "screen", screen.String(), c.screen, c.screenTime)
			file, err := os.ReadFile(filepath.Join(c.config.Dir, "server.log"))
			if err != nil && c.file != nil {
				t.Fatal(err)
			}
			check(t, "file", string(file), c.file, true)
		})
	}
}

func check(t *testing.T, where, got string, want []string, time bool) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if got == "" {
		lines = nil
	}
	if len(lines) != len(want) {
		t.Fatalf("%s has %q, want %q", where, lines, want)
	}
	for i, line := range lines {
		if !strings.Contains(line, "msg="+want[i]) || strings.HasPrefix(line, "time=") != time {
			t.Errorf("%s line is %q, want message %q, time %v", where, line, want[i], time)
		}
	}
}

func TestNewErrors(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		config Config
		want   string
	}{
		{"folder is a file", Config{ToFile: true, FileLevel: "INFO", Dir: blocked, File: "x.log"}, "open log file"},
		{"screen level", Config{ToScreen: true, Level: "LOUD"}, `log level is "LOUD"`},
		{"file level", Config{ToFile: true, FileLevel: ""}, `log level is ""`},
	} {
		if _, _, err := newTo(c.config, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDeclare(t *testing.T) {
	var c Config
	s := &keyfile.Schema{}
	c.Declare(s, "server.log")
	want := Config{WithTime: true, ToScreen: true, ToFile: true, Level: "INFO", FileLevel: "INFO", Dir: "/var/log/orion", File: "server.log"}
	if c != want {
		t.Errorf("defaults are %+v, want %+v", c, want)
	}
	if err := s.Parse("x.conf", []byte("[log]\nlog_level = warning\nlog_with_time = false\n")); err != nil {
		t.Fatal(err)
	}
	if c.Level != "WARNING" || c.WithTime {
		t.Errorf("read %+v", c)
	}
}
