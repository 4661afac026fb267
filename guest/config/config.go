// SPDX-License-Identifier: Apache-2.0

// Package config is what the client's Go programs read: client.conf and the environment.
package config

import (
	"os"
	"path/filepath"

	"github.com/orion-vgpu/orion/host/keyfile"
	"github.com/orion-vgpu/orion/host/logging"
)

// SystemPath is the system's file; UserFile, in the user's home directory, stands above it.
const (
	SystemPath = "/etc/orion/client.conf"
	UserFile   = ".orion/client.conf"
)

// Config is what client.conf says.
type Config struct {
	Log        logging.Config
	Controller string // address of orion-controller, host:port
	EnableNet  bool   // reach a GPU over the network, without an oriond on this host
	Socket     string // oriond's, on this host
}

// Load reads the environment over the user's file over the system's. Either file may be absent, but
// ORION_CONFIG names one that must be there in place of the system's. Where path is given, that file, which
// must be there, stands for all three.
func Load(path string) (*Config, error) {
	files := []keyfile.File{{Path: path}}
	if path == "" {
		files = []keyfile.File{{Path: SystemPath, Optional: true}}
		if named := os.Getenv("ORION_CONFIG"); named != "" {
			files = []keyfile.File{{Path: named}}
		}
		if home, err := os.UserHomeDir(); err == nil {
			files = append(files, keyfile.File{Path: filepath.Join(home, UserFile), Optional: true})
		}
	}
	return load(files, os.LookupEnv)
}

func load(files []keyfile.File, lookup func(string) (string, bool)) (*Config, error) {
	c := &Config{}
	if err := c.schema().Load(files, lookup); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) schema() *keyfile.Schema {
	s := &keyfile.Schema{}
	c.Log.DeclareClient(s)
	s.HostPort(&c.Controller, "controller", "controller_addr", "127.0.0.1:9123").FromEnv("ORION_CONTROLLER")
	s.Bool(&c.EnableNet, "client", "enable_net", false)
	s.SocketPath(&c.Socket, "client", "socket", "/run/orion/oriond.sock").FromEnv("ORION_SOCKET")
	return s
}
