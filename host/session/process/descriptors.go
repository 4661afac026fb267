// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// KeepDescriptors keeps from children what this process itself inherited beyond its standard streams, a
// careless shell's files for instance. Go opens everything else close-on-exec. Call it once, at the start.
func KeepDescriptors() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("keep descriptors from children: %w: oriond needs Linux 5.11 or later", err)
	}
	return nil
}
