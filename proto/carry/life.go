// SPDX-License-Identifier: Apache-2.0

package carry

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// How long a side may be silent: it pings every PingEvery, and is given up after Silence.
const (
	PingEvery = 3 * time.Second
	Silence   = 12 * time.Second
)

// ErrSilent is why a connection was closed whose other side has fallen silent.
var ErrSilent = errors.New("the other side has been silent for too long")

// Life closes a connection when nothing has been heard from the other side for too long, whatever reads and
// writes are under way.
type Life struct {
	heard  atomic.Bool
	silent atomic.Bool
	stop   chan struct{}
	once   sync.Once
}

// Watch begins to wait for Heard, and closes stream after silence, usually Silence. With 0 it never does: the end
// is noticed otherwise.
func Watch(stream io.Closer, silence time.Duration) *Life {
	l := &Life{stop: make(chan struct{})}
	if silence > 0 {
		go l.watch(stream, silence)
	}
	return l
}

func (l *Life) watch(stream io.Closer, silence time.Duration) {
	const looks = 12
	tick := time.NewTicker(silence / looks)
	defer tick.Stop()
	for missed := 0; missed < looks; missed++ {
		select {
		case <-l.stop:
			return
		case <-tick.C:
		}
		if l.heard.Swap(false) {
			missed = -1
		}
	}
	l.silent.Store(true)
	stream.Close()
}

// Heard says that the other side lives.
func (l *Life) Heard() {
	if !l.heard.Load() {
		l.heard.Store(true)
	}
}

// Reason is err, or ErrSilent if that is what closed the connection.
func (l *Life) Reason(err error) error {
	if l.silent.Load() {
		return ErrSilent
	}
	return err
}

// Stop ends the watch.
func (l *Life) Stop() { l.once.Do(func() { close(l.stop) }) }
