// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/wire"
)

// console carries what kernels and the driver print to the client's own standard output and error. The real
// driver writes to this process's descriptors 1 and 2: they are made pipes, drained at each synchronisation.
type console struct {
	region *region
	mu     sync.Mutex
	head   uint32
	pipes  [3]int // read ends by descriptor, -1 for none
	deaf   bool   // the client has not taken its output for long: do not wait for it again
}

// consolePatience bounds the wait for a client that does not take its output.
const consolePatience = 2 * time.Second

func newConsole(r *region) *console { return &console{region: r, pipes: [3]int{-1, -1, -1}} }

// capture turns this process's descriptors 1 and 2 into pipes that drain reads.
func (c *console) capture() error {
	for fd := 1; fd <= 2; fd++ {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return fmt.Errorf("make a pipe for descriptor %d: %w", fd, err)
		}
		_, _ = unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, 1<<20)
		if err := unix.Dup2(p[1], fd); err != nil {
			return fmt.Errorf("redirect descriptor %d: %w", fd, err)
		}
		unix.Close(p[1])
		// The driver must not block on a full pipe, nor see EAGAIN: its end blocks, and drain empties it.
		if err := unix.SetNonblock(fd, false); err != nil {
			return fmt.Errorf("redirect descriptor %d: %w", fd, err)
		}
		c.pipes[fd] = p[0]
	}
	return nil
}

// drain moves what is in the pipes to the client. It returns when they are empty.
func (c *console) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b [4096]byte
	for fd, p := range c.pipes {
		for p >= 0 {
			n, err := unix.Read(p, b[:])
			if n <= 0 || err != nil {
				break
			}
			c.put(byte(fd), b[:n])
		}
	}
}

// write sends text to the client's descriptor fd.
func (c *console) write(fd byte, text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(fd, text)
}

// put appends records, waiting for room. Text that a client does not take for long is lost. The caller holds mu.
func (c *console) put(fd byte, text []byte) {
	for len(text) > 0 {
		n := min(len(text), 1024)
		size := uint32(4+n+3) &^ 3
		for start := time.Now(); wire.ConsoleSize-(c.head-c.region.load32(wire.StatusConsoleTail)) < size; {
			if c.deaf || time.Since(start) > consolePatience {
				c.deaf = true
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
		c.deaf = false
		record := make([]byte, size)
		binary.LittleEndian.PutUint32(record, uint32(n)|uint32(fd)<<24)
		copy(record[4:], text[:n])
		for i := range record {
			*c.region.bytePointer(wire.ConsoleOffset + uint64((c.head+uint32(i))%wire.ConsoleSize)) = record[i]
		}
		c.head += size
		c.region.store32(wire.StatusConsoleHead, c.head)
		text = text[n:]
	}
}

// loop drains the pipes now and then, so that a driver that prints much never blocks on them.
func (c *console) loop() {
	fds := []unix.PollFd{{Fd: int32(c.pipes[1]), Events: unix.POLLIN}, {Fd: int32(c.pipes[2]), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		c.drain()
		time.Sleep(time.Millisecond)
	}
}
