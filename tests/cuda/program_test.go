// SPDX-License-Identifier: Apache-2.0

package cuda

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReadProgram(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, file, text string
		want             Program
		err              string
	}{
		{
			name: "defaults",
			file: "add.cu",
			text: "// Adds: two vectors.\nint main() {}\n",
			want: Program{Name: "add", GPUs: 1},
		},
		{
			name: "all keys",
			file: "load.cpp",
			text: "// args: {out}/load.fatbin 3\n// gpus: 2\n// env: A=1 B=2\n// exit: 7\n// flags: -rdc=true\n",
			want: Program{
				Name: "load", Driver: true, GPUs: 2, Exit: 7,
				Args: []string{"{out}/load.fatbin", "3"}, Env: []string{"A=1", "B=2"},
			},
		},
		{name: "unknown key", file: "a.cu", text: "\n// gpu: 2\n", err: "a.cu:2: unknown key \"gpu\""},
		{name: "not a number", file: "a.cu", text: "// gpus: two\n", err: "key gpus"},
		{
			name: "beyond the head",
			file: "a.cu",
			text: strings.Repeat("//\n", headLines) + "// gpus: 2\n",
			want: Program{Name: "a", GPUs: 1},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			source := filepath.Join(t.TempDir(), test.file)
			if err := os.WriteFile(source, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := ReadProgram(source)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error is %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			test.want.Source = source
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestExpectedOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"p.cu", "p.out", "q.cu", "check.h"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	programs, err := Programs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) != 2 {
		t.Fatalf("found %d programs, want 2", len(programs))
	}
	if want := filepath.Join(dir, "p.out"); programs[0].Stdout != want {
		t.Errorf("output of p is %q, want %q", programs[0].Stdout, want)
	}
	if programs[1].Stdout != "" {
		t.Errorf("output of q is %q, want none", programs[1].Stdout)
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	p := Program{Name: "load", Args: []string{"{out}/load.fatbin", "3"}}
	want := []string{"/o/static/load", "/o/load.fatbin", "3"}
	if got := p.Command("/o", "static"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSources holds every program to the rules of the folder.
func TestSources(t *testing.T) {
	t.Parallel()
	programs, err := Programs("programs")
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) < 40 {
		t.Errorf("there are %d programs, want at least 40", len(programs))
	}
	for _, p := range programs {
		text, err := os.ReadFile(p.Source)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "// SPDX-License-Identifier: Apache-2.0\n//\n// ") {
			t.Errorf("%s: the head is not a licence line and a comment that says the program's idea", p.Source)
		}
	}
}
