// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/orion-vgpu/orion/host/config"
	"github.com/orion-vgpu/orion/host/session/entrance"
)

// listen opens the entrances beside the unix socket: TCP, and vsock where virtual machines are served. Both have
// one port, which it returns with the address that oriond listens on.
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
	defer func() {
		if err != nil {
			for _, l := range all {
				l.Close()
			}
		}
	}()
	for _, path := range c.Server.VsockSockets {
		hybrid, err := entrance.ListenHybrid(path, 0o666)
		if err != nil {
			return nil, nil, fmt.Errorf("%w (key vsock_sockets in section [server])", err)
		}
		log.Info("oriond listens for a virtual machine", "socket", path)
		all = append(all, hybrid)
	}
	vsock, err := entrance.ListenVsock(uint32(data.Port))
	switch {
	case err == nil:
		log.Info("oriond listens for virtual machines", "vsock", data.Port)
		all = append(all, vsock)
	case errors.Is(err, entrance.ErrNoVsock):
		log.Info("virtual machines come by TCP alone", "reason", err)
	default:
		return nil, nil, err
	}
	return all, data, nil
}

// poolAddress is where other hosts reach this node. Where oriond listens on all addresses, that is the one from
// which this host reaches the controller.
func poolAddress(data *net.TCPAddr, controller string, log *slog.Logger) string {
	if !data.IP.IsUnspecified() {
		return data.String()
	}
	d := net.Dialer{Timeout: 2 * time.Second}
	conn, err := d.Dial("udp", controller) // sends nothing
	if err != nil {
		log.Warn("others may not reach this node: choose its address by bind_addr or bind_net in section [server]", "reason", err)
		return data.String()
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return data.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(data.Port))
}
