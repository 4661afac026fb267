// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// run runs the command line and returns its exit status and what it printed.
func run(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	c := command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&errs)
	return status(c.ExecuteContext(t.Context()), &errs), out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "say what to check"},
		{"runtime", 2, "say which side to check"},
		{"runtime both", 2, "both"},
		{"runtime client -o xml", 2, `--output is "xml"`},
		{"runtime client --frob", 2, "--frob"},
		{"runtime client more", 2, "more"},
		{"--help", 0, "Exit status"},
		{"runtime client --help", 0, "--program"},
		{"version", 0, "orion-check "},
	} {
		code, out, errs := run(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%s: exit status %d, want %d with %q\n%s%s", c.args, code, c.code, c.want, out, errs)
		}
	}
	if got := status(errors.New("x"), &bytes.Buffer{}); got != 2 {
		t.Errorf("of another error: %d", got)
	}
}

// TestWrongFile sees that a broken configuration is a failed check, which is named, and no reason not to check.
func TestWrongFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.conf")
	if err := os.WriteFile(path, []byte("[log]\nlog_levle = INFO\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"client", "server"} {
		code, out, errs := run(t, "runtime", side, "--config", path)
		if code != 1 || !strings.Contains(out, path+":2") || !strings.Contains(out, "FAIL  config ") {
			t.Errorf("%s: exit status %d\n%s%s", side, code, out, errs)
		}
		code, out, errs = run(t, "runtime", side, "--config", path, "-o", "json")
		var r struct {
			Target, Status string
			Failed         int
			Checks         []struct{ Name, Status, Detail, Remedy string }
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || r.Target != side || r.Status != "FAIL" || r.Failed == 0 || len(r.Checks) < 15 {
			t.Errorf("%s: exit status %d, %v\n%s%s", side, code, err, out, errs)
		}
		for _, c := range r.Checks {
			if c.Status != "PASS" && c.Remedy == "" || c.Detail == "" || strings.Contains(c.Name, " ") {
				t.Errorf("%s: %+v", side, c)
			}
		}
	}
}
