// SPDX-License-Identifier: Apache-2.0

// Package loopback gives tests addresses of their own on the loopback interface.
package loopback

import (
	"math/rand/v2"
	"net/netip"
)

// Address returns an address in 127.0.0.0/8 that hardly any other test has. A server that a test stops and starts
// again at the same port listens there: at 127.0.0.1 another test's server or connection may take the port meanwhile.
func Address() netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + rand.N(254)), byte(rand.N(256)), byte(1 + rand.N(254))})
}

// Listen returns an address, host:port, for a server for whom the kernel is to choose the port.
func Listen() string { return netip.AddrPortFrom(Address(), 0).String() }
