// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// Within waits until ok, and fails the test when that takes longer than limit.
func Within(t testing.TB, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// Soon is Within for what is promised to users in so short a time that a machine with more to run than it has
// cores cannot keep it: there it may take ten times as long. It returns the time that it took.
func Soon(t testing.TB, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	Within(t, what, 10*limit, ok)
	took := time.Since(start)
	switch {
	case took <= limit:
	case busy():
		t.Logf("%s took %v, more than %v, on a busy machine", what, took, limit)
	default:
		t.Errorf("not within %v, but %v: %s", limit, took, what)
	}
	return took
}

// busy goes by the load of the last minute.
func busy() bool {
	var load float64
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return false
	}
	if _, err := fmt.Sscan(string(b), &load); err != nil {
		return false
	}
	return load > 1.5*float64(runtime.NumCPU())
}
