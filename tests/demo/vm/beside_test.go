// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestBeside(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ left, right, want string }{
		{"", "", " |\n"},
		{"a\nbcd\n", "x\n", "a   | x\nbcd |\n"},
		{"é\n", "x\ny\n", "é | x\n  | y\n"},
	} {
		if got := beside(test.left, test.right); got != test.want {
			t.Errorf("beside(%q, %q) is %q, want %q", test.left, test.right, got, test.want)
		}
	}
}
