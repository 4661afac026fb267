// SPDX-License-Identifier: Apache-2.0

package installer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

// release of the installers that tests build.
const release = "1.2.3"

// build makes an installer as make does, of libraries and programs in a folder.
func build(t *testing.T, parts string) string {
	t.Helper()
	for _, tool := range []string{"bash", "strip", "gzip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the installer is built by bash, strip and gzip: %v", err)
		}
	}
	out := filepath.Join(t.TempDir(), "install-client")
	cmd := exec.Command("./build", out, release, filepath.Join(parts, "bin"), filepath.Join(parts, "lib"))
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1790000000") // whatever is committed meanwhile
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the installer: %v\n%s", err, text)
	}
	return out
}

// parts builds what is installed, in a folder with bin and lib.
func parts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "bin")+"/", "./guest/cmd/...")
	cmd.Dir = ctest.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the client's programs: %v\n%s", err, text)
	}
	cc := ctest.Compilers(t)[0]
	for rules, target := range map[string]string{"guest/libcuda/build.mk": "guest-libcuda", "guest/libnvidia-ml/build.mk": "guest-libnvidia-ml"} {
		lib := ctest.Make(t, cc, rules, target, false)
		cmd := exec.Command("cp", "-a", lib, dir)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return dir
}

// file is one of an archive.
type file struct {
	mode int64
	data []byte
}

// split takes an installer apart.
func split(t *testing.T, path string) (script []byte, files map[string]file) {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.Index(whole, []byte("\nexit\n")) + len("\nexit\n")
	script = whole[:end]
	z, err := gzip.NewReader(bytes.NewReader(whole[end:]))
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]file{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return script, files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s belongs to %d:%d", h.Name, h.Uid, h.Gid)
		}
		if h.Typeflag == tar.TypeReg {
			files[strings.TrimPrefix(h.Name, "./")] = file{h.Mode, data}
		}
	}
}

// join makes an installer of another release.
func join(t *testing.T, script []byte, files map[string]file, release string) string {
	t.Helper()
	var payload bytes.Buffer
	z := gzip.NewWriter(&payload)
	w := tar.NewWriter(z)
	for _, dir := range []string{"bin/", "lib/"} {
		if err := w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: f.mode, Size: int64(len(f.data)), Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if w.Close() != nil || z.Close() != nil {
		t.Fatal("write the archive")
	}
	lines := strings.Split(string(script), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "release=") {
			lines[i] = fmt.Sprintf("release='%s' arch='x86_64'", release)
		}
		if strings.HasPrefix(line, "lines=") {
			lines[i] = fmt.Sprintf("lines='%s' sha256='%x' cksum=''", strconv.Itoa(len(lines)-1), sha256.Sum256(payload.Bytes()))
		}
	}
	out := filepath.Join(t.TempDir(), "install-client")
	if err := os.WriteFile(out, append([]byte(strings.Join(lines, "\n")), payload.Bytes()...), 0o755); err != nil {
		t.Fatal(err)
	}
	return out
}

// list describes all that lies in a folder.
func list(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		line := strings.TrimPrefix(path, root) + " " + info.Mode().String()
		if to, err := os.Readlink(path); err == nil {
			line += " " + to
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(all)
	return all
}

// shells are those that run the installer; busybox with its own tools.
func shells(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for name, command := range map[string][]string{"dash": {"dash"}, "bash": {"bash", "--posix"}, "busybox": {"busybox", "sh"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("not tried in %s: %v", name, err)
			continue
		}
		found[name] = command
	}
	return found
}

// run runs an installer in a shell to its end.
func run(shell []string, installer string, args ...string) (string, int) {
	cmd := exec.Command(shell[0], append(append(shell[1:len(shell):len(shell)], installer), args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		return err.Error(), -1
	}
	return string(out), cmd.ProcessState.ExitCode()
}
