// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

var stamped = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) orion: (ERROR|WARNING|INFO|DEBUG): .`)

func TestLog(t *testing.T) {
	t.Parallel()
	const each = 50
	for _, cc := range ctest.Compilers(t) {
		program := ctest.Program(t, cc, "address,undefined", "testdata/log.c", "../log.c", "../logs.c")
		t.Run(filepath.Base(cc)+"/files", func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			before := time.Now().Add(-time.Second)
			out, screen := ctest.Run(t, program, []string{"HOME=" + home}, "1", "2", "1", fmt.Sprint(each))
			var parent, child int
			if _, err := fmt.Sscan(out, &parent, &child); err != nil {
				t.Fatal(err)
			}
			lines := readLines(t, filepath.Join(home, ".orion", "log", fmt.Sprintf("log-%d.log", parent)))
			if want := 2 + 2*each + 1; len(lines) != want {
				t.Fatalf("the parent's file has %d lines, want %d", len(lines), want)
			}
			for _, line := range lines {
				m := stamped.FindStringSubmatch(line)
				if m == nil {
					t.Fatalf("line is %q", line)
				}
				when, err := time.Parse(time.RFC3339, m[1])
				if err != nil || when.Before(before.Truncate(time.Millisecond)) || when.After(time.Now()) {
					t.Errorf("line %q has the time %v, %v", line, when, err)
				}
			}
			if got := lines[0]; !strings.HasSuffix(got, "INFO: number 7") {
				t.Errorf("first line is %q", got)
			}
			if got := lines[len(lines)-1]; len(got) > 1100 || !strings.HasSuffix(got, "xxx") {
				t.Errorf("a long line is %d bytes long", len(got))
			}
			ofChild := readLines(t, filepath.Join(home, ".orion", "log", fmt.Sprintf("log-%d.log", child)))
			if len(ofChild) != 1 || !strings.HasSuffix(ofChild[0], "WARNING: from the child") {
				t.Errorf("the child's file has %q", ofChild)
			}
			if n := strings.Count(screen, "\n"); n != 3 || strings.Contains(screen, "INFO") {
				t.Errorf("on the screen are %d lines, want the 3 of warnings and errors: %s", n, screen)
			}
		})
		t.Run(filepath.Base(cc)+"/nothing", func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			if _, screen := ctest.Run(t, program, []string{"HOME=" + home}, "-1", "-1", "1", "1"); screen != "" {
				t.Errorf("screen has %q", screen)
			}
			if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
				t.Errorf("home has %v, %v", entries, err)
			}
		})
		for _, home := range []string{"", "/proc", "/dev/null", "relative", "/" + strings.Repeat("h/", 400)} {
			t.Run(fmt.Sprintf("%s/home %.12q", filepath.Base(cc), home), func(t *testing.T) {
				t.Parallel()
				_, screen := ctest.Run(t, program, []string{"HOME=" + home}, "0", "2", "0", "1")
				if screen != "orion: ERROR: an error\n" {
					t.Errorf("screen has %q", screen)
				}
			})
		}
	}
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
