// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"os"
	"strconv"
	"time"
)

// duration is how long hostile clients go on: ORION_FUZZ_SECONDS, by default 60 s in CI and 10 s elsewhere.
func duration() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("ORION_FUZZ_SECONDS")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if os.Getenv("CI") != "" {
		return time.Minute
	}
	return 10 * time.Second
}
