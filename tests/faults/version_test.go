// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/tests/chain"
)

// A client of another version is refused in words that name both sides.
func TestVersionsDoNotMatch(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	for _, c := range []struct {
		name   string
		change func(*wire.Hello)
		want   []string
	}{
		{"protocol", func(h *wire.Hello) { h.Version = 99 }, []string{"client 7.7.7", "protocol 99", fmt.Sprintf("protocol %d,", wire.Version)}},
		{"commands", func(h *wire.Hello) { h.Spec = 0xabc }, []string{"client 7.7.7", "0000000000000abc"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := hello()
			h.Release = "7.7.7"
			c.change(&h)
			w := dial(t, f.node.Socket, h)
			if w.session != nil {
				t.Fatal("oriond accepted the client")
			}
			if driver.Result(w.Status) != driver.ErrorSystemDriverMismatch {
				t.Errorf("status is %v", driver.Result(w.Status))
			}
			for _, want := range append(c.want, "oriond "+w.Release, "install the same release") {
				if !strings.Contains(w.Message, want) {
					t.Errorf("message lacks %q: %s", want, w.Message)
				}
			}
		})
	}
}

// The same with a real libcuda.so.1, that of this build with another hash of its commands in it: the program
// gets CUDA's error, and the user reads why.
func TestLibraryOfAnotherVersion(t *testing.T) {
	t.Parallel()
	f := start(t, chain.Options{})
	library, err := os.ReadFile(filepath.Join(f.Lib, "libcuda.so.1"))
	if err != nil {
		t.Fatal(err)
	}
	hash := binary.LittleEndian.AppendUint64(nil, cuda.SpecHash)
	if !bytes.Contains(library, hash) {
		t.Fatal("the library does not hold the hash of its commands as a constant")
	}
	dir := t.TempDir()
	library = bytes.ReplaceAll(library, hash, []byte("ANOTHER!"))
	if err := os.WriteFile(filepath.Join(dir, "libcuda.so.1"), library, 0o700); err != nil {
		t.Fatal(err)
	}
	refused(t, f.RunEnv(t, f.Env("LD_LIBRARY_PATH="+dir), f.program),
		"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "versions do not match", "21524548544f4e41")
}
