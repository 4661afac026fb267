// SPDX-License-Identifier: Apache-2.0

package entrance

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long a peer may be silent that should answer.
type Patience struct {
	Idle, Interval time.Duration // before the first probe, and between probes
	Probes         int
}

var (
	// Remote is for other hosts: one that has vanished is noticed within 20 s.
	Remote = Patience{Idle: 5 * time.Second, Interval: 3 * time.Second, Probes: 5}
	// Guest is for virtual machines of this host. Their end is noticed otherwise; one that somebody has paused
	// answers nothing, and may go on later. One that was reset answers the first probe that it knows of nothing.
	Guest = Patience{Idle: 15 * time.Second, Interval: 15 * time.Second, Probes: 40}
)

func (p Patience) total() time.Duration { return p.Idle + time.Duration(p.Probes)*p.Interval }

// Keep arranges that a TCP connection ends when its peer has been silent for too long, and that small messages
// are not held back. Other kinds need nothing: the kernel sees the end of both sides.
func (c *Conn) Keep(p Patience) error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: p.Idle, Interval: p.Interval, Count: p.Probes})
	if err == nil {
		err = tcp.SetNoDelay(true)
	}
	if err == nil {
		// For what was sent and is not acknowledged; probes then go by it too.
		err = c.Control(func(fd int) error {
			return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(p.total()/time.Millisecond))
		})
	}
	if err != nil {
		return fmt.Errorf("set how long %s may be silent: %w", c.Source(), err)
	}
	return nil
}
