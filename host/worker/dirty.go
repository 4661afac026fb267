// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"slices"

	"github.com/orion-vgpu/orion/host/driver"
)

// dirtyStreams are the streams of a context that were named since its last synchronisation: only they can
// have work. Beyond a few, or after one was destroyed, it is simpler to ask the driver about all.
type dirtyStreams struct {
	list []driver.Stream
	many bool
	// freed are those that have freed memory of a pool since. A pool gives back what it holds beyond its threshold
	// in the driver's own waits, and in no others.
	freed     []driver.Stream
	freedMany bool
}

// touch notes that a command names a stream, and frees that it frees memory of a pool there. The stream may be of another
// context than the current one.
func (s *server) touch(stream driver.Stream) { s.note(stream, (*dirtyStreams).add) }
func (s *server) frees(stream driver.Stream) { s.note(stream, (*dirtyStreams).addFreed) }

func (s *server) note(stream driver.Stream, add func(*dirtyStreams, driver.Stream)) {
	add(s.dirtyIn(s.current), stream)
	if owner, ok := s.owners[stream]; ok && owner != s.current {
		add(s.dirtyIn(owner), stream)
	}
}

func (s *server) dirtyIn(context driver.Context) *dirtyStreams {
	d := s.dirty[context]
	if d == nil {
		d = &dirtyStreams{}
		s.dirty[context] = d
	}
	return d
}

const fewStreams = 8

func (d *dirtyStreams) add(stream driver.Stream) {
	switch {
	case d.many || slices.Contains(d.list, stream):
	case len(d.list) == fewStreams:
		d.many = true
	default:
		d.list = append(d.list, stream)
	}
}

func (d *dirtyStreams) addFreed(stream driver.Stream) {
	switch d.add(stream); {
	case d.freedMany || slices.Contains(d.freed, stream):
	case len(d.freed) == fewStreams:
		d.freedMany = true
	default:
		d.freed = append(d.freed, stream)
	}
}

// trims says whether the wait for a stream is to be the driver's own.
func (s *server) trims(stream driver.Stream) bool {
	d := s.dirty[s.current]
	if d == nil {
		return false
	}
	i := slices.Index(d.freed, stream)
	if i >= 0 {
		d.freed = slices.Delete(d.freed, i, i+1)
	}
	return i >= 0 || d.freedMany
}

// forget follows the end of a stream, which the driver is not to be asked about again.
func (d *dirtyStreams) forget(stream driver.Stream) {
	is := func(s driver.Stream) bool { return s == stream }
	d.many = d.many || slices.ContainsFunc(d.list, is) || slices.ContainsFunc(d.freed, is) // what it still has to do, only the driver knows
	d.list, d.freed = slices.DeleteFunc(d.list, is), slices.DeleteFunc(d.freed, is)
}

// knows says whether the streams that a context has work in are those that it has been named.
func (s *server) knows(d *dirtyStreams) bool {
	// A green context's streams may have been named under another context.
	return d != nil && len(s.captures) == 0 && !s.prints && !d.many && !d.freedMany && len(d.freed) == 0 && len(s.greens.contexts) == 0
}

// only says whether no other stream of the current context can have work.
func (s *server) only(stream driver.Stream) bool {
	d := s.dirty[s.current]
	return s.knows(d) && !slices.ContainsFunc(d.list, func(other driver.Stream) bool { return other != stream })
}
