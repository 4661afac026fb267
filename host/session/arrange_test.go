// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"testing"

	"github.com/orion-vgpu/orion/host/worker"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Whatever a hello says, each vGPU of the lease is there once.
func TestArrange(t *testing.T) {
	t.Parallel()
	lease := []worker.VGPU{{UUID: "a"}, {UUID: "b"}, {UUID: "c"}}
	for order, want := range map[[wire.MaxDevices]byte]string{
		{}:           "a0 b1 c2 ",
		{1}:          "a0 b1 c2 ",
		{3, 1}:       "c2 a0 b1 ",
		{2, 3, 1}:    "b1 c2 a0 ",
		{2, 2, 2}:    "b1 a0 c2 ",
		{200, 3, 4}:  "c2 a0 b1 ",
		{0, 3, 2, 1}: "a0 b1 c2 ",
	} {
		got := ""
		for _, v := range arrange(lease, order) {
			got += fmt.Sprint(v.UUID, v.Place, " ")
		}
		if got != want {
			t.Errorf("order %v gives %s, want %s", order, got, want)
		}
	}
}
