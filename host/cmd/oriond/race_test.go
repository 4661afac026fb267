// SPDX-License-Identifier: Apache-2.0

//go:build race

package main

import "time"

// The race detector multiplies what is measured, and sleeps for a second when a process ends.
const (
	raceEnabled = true
	soon        = 4 * time.Second
)
