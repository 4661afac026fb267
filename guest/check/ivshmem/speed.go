// SPDX-License-Identifier: Apache-2.0

package ivshmem

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"time"

	"github.com/orion-vgpu/orion/proto/wire"
)

// Slow is the speed, in bytes a second, below which a mapping is worth a warning.
const Slow = 1e9

// Speed is how fast a mapping of a device is, in bytes a second.
type Speed struct {
	File        string // resource2 or resource2_wc
	Write, Read float64
}

// Measure fills in the speeds of the device's files. It writes between the header and the first slice, where nothing
// is, and takes at most a second.
func (d *Device) Measure() error {
	page := os.Getpagesize()
	if d.Size < wire.SliceOffset {
		return fmt.Errorf("measure the device: it has only %d bytes", d.Size)
	}
	for _, name := range []string{"resource2", "resource2_wc"} {
		b, unmap, err := d.mapFile(name, int64(page), wire.SliceOffset-page, true)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		own := make([]byte, len(b))
		s := Speed{File: name}
		s.Write, err = rate(b, own)
		if err == nil {
			s.Read, err = rate(own, b)
		}
		unmap()
		if err != nil {
			return err
		}
		d.Speeds = append(d.Speeds, s)
	}
	return nil
}

// rate copies for a while.
func rate(to, from []byte) (float64, error) {
	const least, most = 4, 1 << 14 // copies
	start, n := time.Now(), 0
	for ; n < least || n < most && time.Since(start) < 50*time.Millisecond; n++ {
		if err := copyMapped(to, from); err != nil {
			return 0, err
		}
		if time.Since(start) > 200*time.Millisecond {
			n++
			break
		}
	}
	return float64(n*len(to)) / time.Since(start).Seconds(), nil
}

// copyMapped copies from or to mapped memory, which may vanish: a device can be unplugged.
func copyMapped(to, from []byte) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			err = errors.New("the device has gone")
		}
	}()
	copy(to, from)
	return nil
}

// Best is the fastest of the device's files, by its slower direction; ok is false where none was measured.
func (d *Device) Best() (best Speed, ok bool) {
	for _, s := range d.Speeds {
		if !ok || min(s.Write, s.Read) > min(best.Write, best.Read) {
			best, ok = s, true
		}
	}
	return best, ok
}
