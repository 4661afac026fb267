// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/session/entrance"
)

// listen opens the entrances beside the unix socket: TCP, and vsock where virtual machines are served. Both have
// one port, which it returns with the address that others reach this node at.
func listen(c *config.Config, log *slog.Logger) (all []*entrance.Listener, data *net.TCPAddr, err error) {
	bind, err := c.Server.DataAddress()
	if err != nil {
		return nil, nil, err
	}
	tcp, err := entrance.ListenTCP(bind)
	if err != nil {
		return nil, nil, err
	}
	data, ok := tcp.Addr().(*net.TCPAddr)
	if !ok {
		tcp.Close()
		return nil, nil, fmt.Errorf("listen on %s: the system tells no address", bind)
	}
	log.Info("oriond listens", "address", data)
	all = append(all, tcp)
	if !c.Server.EnableKVM {
		return all, data, nil
	}
	vsock, err := entrance.ListenVsock(uint32(data.Port))
	switch {
	case err == nil:
		log.Info("oriond listens for virtual machines", "vsock", data.Port)
		all = append(all, vsock)
	case errors.Is(err, entrance.ErrNoVsock):
		log.Info("virtual machines come by TCP alone", "reason", err)
	default:
		tcp.Close()
		return nil, nil, err
	}
	return all, data, nil
}
