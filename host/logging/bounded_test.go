// SPDX-License-Identifier: Apache-2.0

package logging

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(NewBounded(&text, 1000), nil))
	for i := range 1000 {
		log.Info("a client's doing", "number", fmt.Sprint(i))
	}
	got := text.String()
	if len(got) > 1100 || len(got) < 900 {
		t.Errorf("a log of 1000 bytes has %d", len(got))
	}
	if !strings.HasSuffix(got, "\nthe log is full: what follows is left out\n") || strings.Count(got, "full") != 1 {
		t.Errorf("the log ends in %q", got[max(0, len(got)-200):])
	}
}
