// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Sizes of a region, in bytes. QEMU ends, and with it the guest, when the size is no power of two.
const (
	MinSize     = 64 << 20
	MaxSize     = 64 << 30
	DefaultSize = 256 << 20
)

// CheckSize says whether a region can have this size.
func CheckSize(size uint64) error {
	if size < MinSize || size > MaxSize || bits.OnesCount64(size) != 1 {
		return fmt.Errorf("size is %s: want a power of two from %s to %s", FormatSize(size), FormatSize(MinSize), FormatSize(MaxSize))
	}
	return nil
}

// ParseSize reads a size such as 256MiB or 1GiB, and checks it.
func ParseSize(text string) (uint64, error) {
	number, shift := text, 0
	for _, unit := range []struct {
		name  string
		shift int
	}{{"MiB", 20}, {"GiB", 30}} {
		if n, ok := strings.CutSuffix(text, unit.name); ok {
			number, shift = strings.TrimSpace(n), unit.shift
		}
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || shift == 0 {
		return 0, fmt.Errorf("size is %q: want a number with its unit, such as 256MiB or 1GiB", text)
	}
	size := n << shift
	return size, CheckSize(size)
}

// FormatSize writes a size as ParseSize reads it.
func FormatSize(size uint64) string {
	switch {
	case size >= 1<<30 && size%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", size>>30)
	case size%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", size>>20)
	}
	return fmt.Sprintf("%d bytes", size)
}
