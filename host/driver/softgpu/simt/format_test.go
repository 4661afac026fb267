// SPDX-License-Identifier: Apache-2.0

package simt

import (
	"math"
	"testing"
)

func TestFormat(t *testing.T) {
	t.Parallel()
	text := func(addr uint64) string { return map[uint64]string{1: "one", 2: "a longer text"}[addr] }
	for _, c := range []struct {
		format string
		values []any
		want   string
		count  int
	}{
		{"plain %% text\n", nil, "plain % text\n", 0},
		{"%d|%5d|%-5d|%05d|%+d", []any{int32(-7), int32(42), int32(42), int32(42), int32(42)}, "-7|   42|42   |00042|+42", 5},
		{"%u %x %X %o", []any{uint32(3000000000), uint32(0xbeef), uint32(0xbeef), uint32(8)}, "3000000000 beef BEEF 10", 4},
		{"%ld %llu %zu", []any{int64(-1), uint64(1 << 63), uint64(5)}, "-1 9223372036854775808 5", 3},
		{"%d %f %d", []any{int32(1), 2.5, int32(3)}, "1 2.500000 3", 3},
		{"%g %g %g %.3g", []any{0.0001, 1e10, 100.0, 3.14159}, "0.0001 1e+10 100 3.14", 4},
		{"%e %10.2f|%-8.1f|", []any{12345.678, 2.5, 7.25}, "1.234568e+04       2.50|7.2     |", 3},
		{"%f %5f %-5f| %F", []any{math.Inf(1), math.Inf(-1), math.NaN(), math.Inf(-1)}, "inf  -inf nan  | -INF", 4},
		{"%s|%6s|%-6s|%.3s", []any{uint64(1), uint64(1), uint64(1), uint64(2)}, "one|   one|one   |a l", 4},
		{"%c%c", []any{int32('o'), int32('k')}, "ok", 2},
		{"%p", []any{uint64(0x1234)}, "0x1234", 1},
		{"%*d", []any{int32(4), int32(7)}, "   7", 2},
		{"%d", nil, "0", 0},
		{"%", nil, "%", 0},
		{"%q", nil, "%q", 0},
		{"%9999999999d", []any{int32(1)}, "", 1},
	} {
		got, n := appendFormat(nil, c.format, pack(c.values...), text)
		if c.want == "" {
			if len(got) > maxWidth {
				t.Errorf("%q gave %d bytes", c.format, len(got))
			}
			continue
		}
		if string(got) != c.want || n != c.count {
			t.Errorf("%q gave %q and %d, want %q and %d", c.format, got, n, c.want, c.count)
		}
	}
}
