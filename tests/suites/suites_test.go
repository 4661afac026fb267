// SPDX-License-Identifier: Apache-2.0

// Package suites tests the scripts beside it, with suites made for it in place of others', and a variable in the
// environment in place of a pool.
package suites

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"
)

const table = `
[DEFAULT]
repository = none
commit = none
with =
but =
include =
flags =
installed =
folder = .
options =
env =
needs =
carry =
unless =
wrong = FAIL

[programs]
kind = make
cases = src/*-cuda

[folders]
kind = folder
cases = samples/*
with = common/*
include = common
flags = -DVALUE=3

[tests]
kind = pytest
cases = tests/test_*.py
`

// python is a Python that has the modules.
func python(t *testing.T, modules ...string) string {
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(path, "-c", "import sys, "+strings.Join(append(modules, "sys"), ", ")).Run() == nil {
			return path
		}
	}
	t.Skipf("no Python has %v: on Debian, install python3-pytest", modules)
	return ""
}

// write writes files, by name and content, below a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// results packs a suite of a source, runs it where a vGPU's environment is VGPU=1, and returns what is worse there, by
// compare, and the results, without their times and sorted.
func results(t *testing.T, python, suite string, source map[string]string) (worse, lines []string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, source)
	write(t, dir, map[string]string{"table": table, "env": "export VGPU=1\n", "driver.c": "int cuInit(int f) { return f; }\n",
		// A compiler that takes nvcc's options.
		"nvcc": "#!/bin/sh\nfor a; do\n\tshift\n" +
			"\tcase $a in -arch* | --* | -std* | -Xlinker | -lcuda) ;; *) set -- \"$@\" \"$a\" ;; esac\n" +
			"done\nexec cc \"$@\"\n"})
	if err := os.Chmod(dir+"/nvcc", 0o755); err != nil {
		t.Fatal(err)
	}
	command := func(name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir, "NVCC="+dir+"/nvcc")
		out, err := c.CombinedOutput()
		if err != nil && name != "./compare" {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	command("cc", "-shared", "-fPIC", dir+"/driver.c", "-o", dir+"/libcuda.so.1")
	command(python, "pack", suite, dir, dir+"/archive.tar.xz", dir+"/table")
	ran := command(python, "run", "--vgpu", dir+"/env", "--limit", "4", "--jobs", "4", dir+"/archive.tar.xz", dir+"/out")
	if strings.Contains(ran, "SKIPPED") {
		t.Fatal(ran)
	}
	before, err := os.ReadFile(dir + "/out/results")
	if err != nil {
		t.Fatal(err)
	}
	command(python, "run", "--vgpu", dir+"/env", dir+"/archive.tar.xz", dir+"/out")
	if again, _ := os.ReadFile(dir + "/out/results"); string(again) != string(before) {
		t.Errorf("a second run adds to\n%s\ngives\n%s", before, again)
	}
	compared := command("./compare", dir+"/out/results")
	for _, line := range regexp.MustCompile(`  worse\t(.*)`).FindAllStringSubmatch(compared, -1) {
		worse = append(worse, line[1])
	}
	for _, line := range strings.Split(strings.TrimSpace(string(before)), "\n") {
		fields := strings.Split(line, "\t")
		lines = append(lines, strings.Join(fields[1:len(fields)-1], " "))
	}
	sort.Strings(worse)
	sort.Strings(lines)
	return worse, lines
}

// same compares lists.
func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPrograms has programs that end well, say that they failed, lack something, hang with a child, crash, and do not
// compile.
func TestPrograms(t *testing.T) {
	const makefile = "CC = nvcc\nmain: main.c ../shared/value.h\n\tcd .. # not for the next line\n" +
		"\t$(CC) -I../shared \\\n\t\tmain.c -o main\n" +
		"run: main\n\t./main 1\n"
	body := func(vgpu string) string {
		return "#include \"value.h\"\n#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n" +
			"int main(int argc, char **argv) { if (getenv(\"VGPU\")) { " + vgpu + " } return argc != VALUE; }\n"
	}
	source := map[string]string{"src/shared/value.h": "#define VALUE 2\n"}
	for name, main := range map[string]string{
		"good":  body(""),
		"wrong": body(`puts("Test FAIL");`),
		"skip":  body("return 77;"),
		"hang":  body("fork(); pause();"),
		"crash": body("raise(SIGSEGV);"),
		"build": "int main(",
	} {
		source["src/"+name+"-cuda/main.c"] = main
		source["src/"+name+"-cuda/Makefile"] = makefile
	}
	began := time.Now()
	worse, lines := results(t, python(t), "programs", source)
	same(t, "worse", worse, "crash-cuda\tfail", "hang-cuda\ttimeout", "skip-cuda\tskip", "wrong-cuda\tfail")
	same(t, "results", lines, "build-cuda build fail", "crash-cuda native pass", "crash-cuda vgpu fail",
		"good-cuda native pass", "good-cuda vgpu pass", "hang-cuda native pass", "hang-cuda vgpu timeout",
		"skip-cuda native pass", "skip-cuda vgpu skip", "wrong-cuda native pass", "wrong-cuda vgpu fail")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// TestFolders has a program that its CMakeLists.txt names, with arguments, and two in one folder without.
func TestFolders(t *testing.T) {
	vgpu := func(header string) string {
		return "#include \"" + header + "\"\n#include <stdlib.h>\n" +
			"int main(int argc, char **argv) { return getenv(\"VGPU\") ? 1 : argc != value(); }\n"
	}
	_, lines := results(t, python(t), "folders", map[string]string{
		"common/value.h":           "int value(void);\n",
		"common/helper.c":          "int value(void) { return VALUE; }\n",
		"test_args.json":           `{"named": {"runs": [{"args": ["a", "b"]}, {"args": ["a"]}]}}`,
		"samples/n/CMakeLists.txt": "add_executable(named src/named.c\n  ${CMAKE_CURRENT_SOURCE_DIR}/../../common/helper.c)\n",
		"samples/n/src/named.c":    vgpu("value.h"),
		"samples/n/other.c":        "not compiled\n",
		"samples/two/a.c":          vgpu("own.h"),
		"samples/two/b.c":          "int main(void) { return 0; }\n",
		"samples/two/own.h":        "static int value(void) { return 1; }\n",
		"samples/text/README":      "no case\n",
	})
	same(t, "results", lines,
		"samples/n#0 native pass", "samples/n#0 vgpu fail", "samples/n#1 native fail", "samples/n#1 vgpu fail",
		"samples/two/a native pass", "samples/two/a vgpu fail", "samples/two/b native pass", "samples/two/b vgpu pass")
}

// TestCut ends a run by its time: it leaves no line of what was cut, and no process.
func TestCut(t *testing.T) {
	python, dir := python(t), t.TempDir()
	write(t, dir, map[string]string{
		"table":               table,
		"src/a-cuda/Makefile": "CC = nvcc\nmain: main.c\n\t$(CC) main.c -o main\nrun: main\n\t./main\n",
		"src/a-cuda/main.c":   "#include <unistd.h>\nint main(void) { fork(); pause(); }\n",
	})
	for _, args := range [][]string{
		{"pack", "programs", dir, dir + "/archive.tar.xz", dir + "/table"},
		{"run", "--vgpu", "/dev/null", "--sides", "vgpu", "--time", "2", dir + "/archive.tar.xz", dir + "/out"},
	} {
		c := exec.Command(python, args...)
		c.Env = append(os.Environ(), "NVCC=cc", "TMPDIR="+dir)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if results, err := os.ReadFile(dir + "/out/results"); err != nil || len(results) > 0 {
		t.Errorf("results: %v\n%s", err, results)
	}
	programs, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if path, err := os.Readlink(program); err == nil && strings.HasPrefix(path, dir) {
			t.Errorf("%s is left: %s", program, path)
		}
	}
}

// TestModules has tests that fail, crash and hang: those behind them must run too.
func TestModules(t *testing.T) {
	worse, lines := results(t, python(t, "pytest"), "tests", map[string]string{
		"tests/test_a.py": `
import os, signal, time, pytest
vgpu = "VGPU" in os.environ
@pytest.mark.parametrize("n", [1, "a b"])
def test_good(n): pass
def test_wrong(): assert not vgpu
def test_crash():
    if vgpu: os.kill(os.getpid(), signal.SIGSEGV)
def test_hang():
    if vgpu: time.sleep(1000)
def test_fork():
    if os.fork() == 0: raise Exception("in the child")
def test_skip(): pytest.skip("always")
def test_last(): pass
`,
		"tests/test_b.py": `
import os
assert "VGPU" not in os.environ
def test_good(): pass
`,
	})
	same(t, "worse", worse, "tests/test_a.py::test_crash\tfail", "tests/test_a.py::test_hang\ttimeout",
		"tests/test_a.py::test_wrong\tfail", "tests/test_b.py::test_good\tfail")
	same(t, "results", lines,
		"tests/test_a.py::test_crash native pass", "tests/test_a.py::test_crash vgpu fail",
		"tests/test_a.py::test_fork native pass", "tests/test_a.py::test_fork vgpu pass",
		"tests/test_a.py::test_good[1] native pass", "tests/test_a.py::test_good[1] vgpu pass",
		"tests/test_a.py::test_good[a b] native pass", "tests/test_a.py::test_good[a b] vgpu pass",
		"tests/test_a.py::test_hang native pass", "tests/test_a.py::test_hang vgpu timeout",
		"tests/test_a.py::test_last native pass", "tests/test_a.py::test_last vgpu pass",
		"tests/test_a.py::test_skip native skip", "tests/test_a.py::test_skip vgpu skip",
		"tests/test_a.py::test_wrong native pass", "tests/test_a.py::test_wrong vgpu fail",
		"tests/test_b.py vgpu fail", "tests/test_b.py::test_good native pass")
}
