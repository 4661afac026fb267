// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"testing"
)

func TestHostMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value string
		bytes uint64 // 1: the default
		err   string
	}{
		{"", 1, ""},
		{"-1", 1, ""},
		{"0", 0, ""},
		{"64", 64 << 20, ""},
		{"67108864", 64 << 40, ""},
		{"67108865", 0, "want a whole number from -1 to 67108864"},
		{"-2", 0, "want a whole number from -1"},
		{"8GiB", 0, "want a whole number from -1"},
		{"1.5", 0, "want a whole number from -1"},
	} {
		t.Run(c.value, func(t *testing.T) {
			t.Parallel()
			text := ""
			if c.value != "" {
				text = "[server]\nhost_memory_mib = " + c.value + "\n"
			}
			conf, _, err := load(t, text)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := conf.Server.HostMemory()
			if err != nil {
				t.Fatal(err)
			}
			if c.bytes == 1 && (got < leastHostMemory<<20 || got > mostHostMemory<<20) || c.bytes != 1 && got != c.bytes {
				t.Errorf("%d bytes, want %d", got, c.bytes)
			}
		})
	}
}

func TestDefaultHostMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ totalGiB, wantMiB uint64 }{
		{1, 4096}, {16, 4096}, {24, 6144}, {32, 8192}, {64, 16384}, {2048, 16384},
	} {
		if got := defaultHostMemory(c.totalGiB << 30); got != c.wantMiB {
			t.Errorf("with %d GiB: %d MiB, want %d", c.totalGiB, got, c.wantMiB)
		}
	}
}
