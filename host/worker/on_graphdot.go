// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

// onGraphDot writes a page of a graph's drawing, which is made for the first.
func (s *server) onGraphDot(api driver.API, g driver.Graph, flags uint32, start uint64, out []byte) (uint64, driver.Result) {
	if start == 0 {
		text, r := draw(api, g, flags)
		if r != driver.Success {
			return 0, r
		}
		s.dot = text
	}
	total := uint64(len(s.dot))
	if start < total {
		copy(out, s.dot[start:])
	}
	if start+uint64(len(out)) >= total {
		s.dot = nil
	}
	return total, driver.Success
}

// draw has the driver print into a file that has no place on this host: it knows paths only.
func draw(api driver.API, g driver.Graph, flags uint32) ([]byte, driver.Result) {
	fd, err := unix.MemfdCreate("orion-dot", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, driver.ErrorOperatingSystem
	}
	f := os.NewFile(uintptr(fd), "orion-dot")
	defer f.Close()
	if r := api.GraphDebugDotPrint(g, fmt.Sprintf("/proc/self/fd/%d", fd), flags); r != driver.Success {
		return nil, r
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, driver.ErrorOperatingSystem
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, driver.ErrorOperatingSystem
	}
	return text, driver.Success
}
