// SPDX-License-Identifier: Apache-2.0

//go:build !race

package main

import "time"

const (
	raceEnabled = false
	soon        = time.Second // until vGPUs are free after their program's end
)
