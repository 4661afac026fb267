// SPDX-License-Identifier: Apache-2.0

package softgpu

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

// sharedEvent is an event of several processes: a page that all of them map, in which recordings are counted when
// they are asked for and when their streams have got there.
type sharedEvent struct {
	file *os.File
	page []byte
}

const (
	sharedEventBytes = 4096
	wordRecorded     = 0  // u64: recordings asked for
	wordPassed       = 8  // u64: the newest that was passed
	wordRecorder     = 16 // u64: the process that asked for the newest
)

func (s *sharedEvent) word(at int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&s.page[at]))
}

func newSharedEvent() (*sharedEvent, error) {
	fd, err := unix.MemfdCreate("softgpu-event", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an event: %w", err)
	}
	f := os.NewFile(uintptr(fd), "event")
	if err := f.Truncate(sharedEventBytes); err != nil {
		return nil, errors.Join(fmt.Errorf("make an event: %w", err), f.Close())
	}
	return mapSharedEvent(f)
}

// mapSharedEvent takes the file, and closes it if it is none of an event.
func mapSharedEvent(f *os.File) (*sharedEvent, error) {
	info, err := f.Stat()
	if err == nil && info.Size() != sharedEventBytes {
		err = fmt.Errorf("a file of %d bytes is not an event", info.Size())
	}
	var page []byte
	if err == nil {
		page, err = unix.Mmap(int(f.Fd()), 0, sharedEventBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open an event: %w", err), f.Close())
	}
	s := &sharedEvent{f, page}
	// Streams may use the page longer than the event lives.
	runtime.AddCleanup(s, func(page []byte) { _ = unix.Munmap(page) }, page)
	return s, nil
}

// record counts a recording and returns its number.
func (s *sharedEvent) record() uint64 {
	s.word(wordRecorder).Store(uint64(os.Getpid()))
	return s.word(wordRecorded).Add(1)
}

// pass says that a stream has got to a recording. They may get there in another order.
func (s *sharedEvent) pass(n uint64) {
	for passed := s.word(wordPassed); ; {
		old := passed.Load()
		if old >= n || passed.CompareAndSwap(old, n) {
			return
		}
	}
}

func (s *sharedEvent) recorded() uint64 { return s.word(wordRecorded).Load() }

// passed says whether a recording has been passed, or never will be, its process being gone.
func (s *sharedEvent) passed(n uint64) bool {
	if s.word(wordPassed).Load() >= n {
		return true
	}
	return errors.Is(unix.Kill(int(s.word(wordRecorder).Load()), 0), unix.ESRCH)
}

// wait returns when a recording has been passed, or the context is lost.
func (s *sharedEvent) wait(c *context, n uint64) {
	for pause := 2 * time.Microsecond; !s.passed(n) && c.result() == driver.Success; pause = min(pause*2, time.Millisecond) {
		time.Sleep(pause)
	}
}

// sharedRecordOp and sharedWaitOp are what streams do with such an event.
type sharedRecordOp struct {
	s *sharedEvent
	n uint64
}

func (sharedRecordOp) kind() uint32 { return nodeRecord }

func (o sharedRecordOp) run(*context) driver.Result {
	o.s.pass(o.n)
	return driver.Success
}

type sharedWaitOp struct {
	s *sharedEvent
	n uint64
}

func (sharedWaitOp) kind() uint32 { return nodeWait }

func (o sharedWaitOp) run(c *context) driver.Result {
	o.s.wait(c, o.n)
	return driver.Success
}

func (t *thread) IpcGetEvent(h driver.Event) (driver.Shared, driver.Result) {
	e, r := find[*event](t.d, h)
	if r != driver.Success || e.shared == nil {
		return driver.Shared{}, driver.ErrorInvalidHandle
	}
	f, err := again(e.shared.file)
	if err != nil {
		return driver.Shared{}, driver.ErrorOperatingSystem
	}
	return driver.Shared{File: f}, driver.Success
}

func (t *thread) IpcOpenEvent(s driver.Shared) (driver.Event, driver.Result) {
	c, r := t.context()
	if r != driver.Success {
		return 0, r
	}
	if s.File == nil {
		return 0, driver.ErrorInvalidValue
	}
	f, err := again(s.File)
	if err != nil {
		return 0, driver.ErrorOperatingSystem
	}
	shared, err := mapSharedEvent(f)
	if err != nil {
		return 0, driver.ErrorInvalidValue
	}
	e := &event{ctx: c, shared: shared}
	e.id = t.d.handles.add(e)
	return driver.Event(e.id), driver.Success
}

// again is a second descriptor of a file.
func again(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("share memory: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
