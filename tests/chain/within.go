// SPDX-License-Identifier: Apache-2.0

package chain

import (
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

// Soon is Within for what is promised to users in so short a time that a busy machine cannot keep it: it may take ten
// times as long, which the test's log tells. It returns the time that it took.
func Soon(t testing.TB, what string, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	Within(t, what, 10*limit, ok)
	took := time.Since(start)
	if took > limit {
		t.Logf("%s took %v, more than %v", what, took, limit)
	}
	return took
}
