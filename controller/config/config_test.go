// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/logging"
)

func TestLoad(t *testing.T) {
	log := logging.Config{WithTime: true, ToScreen: true, ToFile: true, Level: "INFO", FileLevel: "INFO",
		Dir: "/var/log/orion", File: "controller.log"}
	for _, c := range []struct {
		name, text string
		want       Config
		err        string
	}{
		{"defaults", "", Config{log, "127.0.0.1:9123", 10 * time.Second, 5 * time.Minute}, ""},
		{"all", "[controller]\nlisten_addr = :1\nnode_timeout_s = 3\nlease_timeout_s = 4\n", Config{log, ":1", 3 * time.Second, 4 * time.Second}, ""},
		{"time-outs crossed", "[controller]\nnode_timeout_s = 400\n", Config{}, "lease_timeout_s (300) is shorter than node_timeout_s (400)"},
		{"too short", "[controller]\nnode_timeout_s = 1\n", Config{}, ":2: [controller] node_timeout_s = \"1\": want a whole number of seconds from 3"},
		{"oriond's key", "[server]\n", Config{}, "there is no section [server]"},
		{"the clients' key", "[controller]\ncontroller_addr = :1\n", Config{}, "has no key controller_addr; known are listen_addr"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "controller.conf")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Load(path)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || *got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}
