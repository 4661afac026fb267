// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/wire"
)

func TestLostContextIsToldOnce(t *testing.T) {
	t.Parallel()
	r := anyRegion(t)
	s, _ := fakeServer(r)
	var text strings.Builder
	s.log = slog.New(slog.NewTextHandler(&text, nil))
	r.lost = func(result driver.Result) { s.contextLost(result, "a wait") }
	for seq, result := range []driver.Result{driver.Success, driver.ErrorInvalidValue, driver.ErrorIllegalAddress, driver.ErrorIllegalAddress} {
		ticket{region: r, slot: wire.SlotsOffset, seq: uint32(seq + 1)}.send(result)
	}
	if got := text.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "CUDA_ERROR_ILLEGAL_ADDRESS") {
		t.Errorf("the log says %q, want one line of the illegal address", got)
	}
}
