// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"path/filepath"
	"testing"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
)

// TestUnits runs the programs that check for themselves.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sanitizers string
		sources          []string
	}{
		{"crew", "address,undefined", []string{"testdata/crew.c"}},
		{"crew", "thread", []string{"testdata/crew.c"}},
		{"handshake", "address,undefined", []string{"testdata/handshake.c", "../visible.c"}},
		{"md2", "address,undefined", []string{"testdata/md2.c", "../md2.c"}},
		{"integrity", "address,undefined", []string{"testdata/integrity.c", "../integrity.c", "../md2.c"}},
		{"visible", "address,undefined", []string{"testdata/visible.c", "../visible.c"}},
		{"storage", "address,undefined", []string{"testdata/storage.c", "../storage.c"}},
		{"storage", "thread", []string{"testdata/storage.c", "../storage.c"}},
		{"exporttables", "address,undefined", []string{"testdata/exporttables.c", "../exporttables.c", "../integrity.c", "../md2.c", "../storage.c"}},
		{"getproc", "address,undefined", []string{"testdata/getproc.c", "../getproc.c"}},
		{"results", "address,undefined", []string{"testdata/results.c", "../results.c", "../generated/results.c"}},
	} {
		for _, cc := range ctest.Compilers(t) {
			t.Run(filepath.Base(cc)+"/"+c.name+"/"+c.sanitizers, func(t *testing.T) {
				t.Parallel()
				ctest.Run(t, ctest.Program(t, cc, c.sanitizers, c.sources...), nil)
			})
		}
	}
}
