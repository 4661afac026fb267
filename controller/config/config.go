// SPDX-License-Identifier: Apache-2.0

// Package config is the configuration of orion-controller: /etc/orion/controller.conf.
package config

import (
	"fmt"
	"os"
	"time"

	"github.com/orion-vgpu/orion/host/keyfile"
	"github.com/orion-vgpu/orion/host/logging"
)

// Path is where the configuration lies unless a flag names another file.
const Path = "/etc/orion/controller.conf"

// Config is what controller.conf says.
type Config struct {
	Log          logging.Config
	Listen       string        // host:port; other hosts reach it only if this is not a loopback address
	NodeTimeout  time.Duration // a node silent for so long is lost
	LeaseTimeout time.Duration // the leases of a node silent for so long are freed
}

// Load reads the file at path, which must be there, or, where path is empty, Path, which may be absent.
func Load(path string) (*Config, error) {
	file := keyfile.File{Path: path}
	if path == "" {
		file = keyfile.File{Path: Path, Optional: true}
	}
	c := &Config{}
	if err := c.schema().Load([]keyfile.File{file}, os.LookupEnv); err != nil {
		return nil, err
	}
	if c.LeaseTimeout < c.NodeTimeout {
		return nil, fmt.Errorf("[controller] lease_timeout_s (%d) is shorter than node_timeout_s (%d): a node would lose its leases before it is lost",
			c.LeaseTimeout/time.Second, c.NodeTimeout/time.Second)
	}
	return c, nil
}

func (c *Config) schema() *keyfile.Schema {
	s := &keyfile.Schema{}
	c.Log.Declare(s, "controller.log")
	s.HostPort(&c.Listen, "controller", "listen_addr", "127.0.0.1:9123")
	s.Seconds(&c.NodeTimeout, "controller", "node_timeout_s", 10, 3, 3600)
	s.Seconds(&c.LeaseTimeout, "controller", "lease_timeout_s", 300, 3, 7*24*3600)
	return s
}
