// SPDX-License-Identifier: Apache-2.0

package config

import (
	"testing"

	"github.com/orion-vgpu/orion/host/keyfile/keyfiletest"
)

func TestDocumented(t *testing.T) {
	keyfiletest.Documented(t, (&Config{}).schema(), "../../docs/configuration.md", "server.conf")
}
