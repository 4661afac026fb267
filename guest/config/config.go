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
	Server     string // address of an oriond, host:port, for EnableNet; empty: the controller names one
	Socket     string // oriond's, on this host
	Relay      string // orion-relay's socket, on this host

	sources map[string]string
}

// Source says where the value of a key came from: "/etc/orion/client.conf:12", "environment variable X", or "default".
func (c *Config) Source(section, key string) string {
	if s := c.sources[section+"."+key]; s != "" {
		return s
	}
	return "default"
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
	s := c.schema()
	if err := s.Load(files, lookup); err != nil {
		return nil, err
	}
	c.sources = map[string]string{}
	for _, k := range s.Keys() {
		c.sources[k.Section+"."+k.Name] = k.Source()
	}
	return c, nil
}

func (c *Config) schema() *keyfile.Schema {
	s := &keyfile.Schema{}
	c.Log.DeclareClient(s)
	s.HostPort(&c.Controller, "controller", "controller_addr", "127.0.0.1:9123").FromEnv("ORION_CONTROLLER")
	s.Bool(&c.EnableNet, "client", "enable_net", false)
	s.Func("client", "server_addr", "", func(v string) error {
		c.Server = v
		if v == "" {
			return nil
		}
		return keyfile.CheckHostPort(v)
	})
	s.SocketPath(&c.Socket, "client", "socket", "/run/orion/oriond.sock").FromEnv("ORION_SOCKET")
	s.SocketPath(&c.Relay, "client", "relay_socket", "/run/orion/relay.sock")
	return s
}
