// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"path/filepath"
	"testing"
)

// TestUnits runs the programs that check for themselves.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sanitizers string
		sources          []string
	}{
		{"md2", "address,undefined", []string{"md2.c"}},
		{"integrity", "address,undefined", []string{"integrity.c", "md2.c"}},
		{"storage", "address,undefined", []string{"storage.c"}},
		{"storage", "thread", []string{"storage.c"}},
		{"exporttables", "address,undefined", []string{"exporttables.c", "integrity.c", "md2.c", "storage.c"}},
		{"getproc", "address,undefined", []string{"getproc.c"}},
		{"results", "address,undefined", []string{"results.c", "generated/results.c"}},
	} {
		for _, cc := range compilers(t) {
			t.Run(filepath.Base(cc)+"/"+c.name+"/"+c.sanitizers, func(t *testing.T) {
				t.Parallel()
				run(t, build(t, cc, c.sanitizers, c.name, c.sources...), nil)
			})
		}
	}
}
