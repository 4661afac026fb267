// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

func addr(p *string) func(string) error {
	return func(v string) error {
		if _, err := netip.ParseAddr(v); err != nil {
			return fmt.Errorf("want an IP address of this host, such as 127.0.0.1; for whichever lies in a network, use bind_net")
		}
		*p = v
		return nil
	}
}

func network(p *string) func(string) error {
	return func(v string) error {
		if v != "" {
			if _, err := netip.ParsePrefix(v); err != nil {
				return fmt.Errorf("want a network in CIDR form, such as 10.0.0.0/8")
			}
		}
		*p = v
		return nil
	}
}

// DataAddress is the host:port of the data plane: bind_addr, or this host's address in bind_net.
func (s *Server) DataAddress() (string, error) {
	host := s.BindAddr
	if s.BindNet != "" {
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			return "", fmt.Errorf("list this host's addresses for [server] bind_net: %w", err)
		}
		if host, err = pick(s.BindNet, addrs); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(s.ListenPort)), nil
}

// pick returns the first of the addresses that lies in the network.
func pick(cidr string, addrs []net.Addr) (string, error) {
	prefix, err := netip.ParsePrefix(cidr)
	if err != nil {
		return "", fmt.Errorf("[server] bind_net: %w", err)
	}
	prefix = prefix.Masked()
	var have []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		if ip = ip.Unmap(); prefix.Contains(ip) {
			return ip.String(), nil
		}
		have = append(have, ip.String())
	}
	return "", fmt.Errorf("[server] bind_net = %s: no interface of this host has an address there; it has %v", cidr, have)
}
