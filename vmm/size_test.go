// SPDX-License-Identifier: Apache-2.0

package vmm

import "testing"

func TestParseSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want uint64 // 0: refused
	}{
		{"64MiB", 64 << 20}, {"256MiB", 256 << 20}, {"1GiB", 1 << 30}, {"64GiB", 64 << 30}, {"1024MiB", 1 << 30},
		{"", 0}, {"256", 0}, {"256M", 0}, {"MiB", 0}, {"-64MiB", 0}, {"0MiB", 0}, {"32MiB", 0}, {"128GiB", 0},
		{"100MiB", 0}, {"4294967296GiB", 0}, {"18446744073709551615MiB", 0}, {"256mib", 0},
	} {
		got, err := ParseSize(c.text)
		if (err == nil) != (c.want != 0) || err == nil && got != c.want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", c.text, got, err, c.want)
		}
		if err == nil {
			if again, err := ParseSize(FormatSize(got)); err != nil || again != got {
				t.Errorf("FormatSize(%d) = %q", got, FormatSize(got))
			}
		}
	}
}
