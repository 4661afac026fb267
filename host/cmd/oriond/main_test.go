// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"
)

// The test binary is oriond, and its workers, when it is called so.
func TestMain(m *testing.M) {
	if os.Args[0] != "oriond" {
		os.Exit(m.Run())
	}
	main()
	os.Exit(0)
}
