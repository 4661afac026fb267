// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/carry"
	"github.com/orion-vgpu/orion/proto/wire"
)

// errGone is the ordinary end of a session.
var errGone = errors.New("the program has ended")

// deviceUnavailable is the CUresult of calls after a connection was lost.
const deviceUnavailable = 46

// session is one program's, from the welcome on.
type session struct {
	log    *slog.Logger
	server string // name of the other side
	stream io.ReadWriteCloser
	in     *carry.Reader
	life   *carry.Life

	client int // the program's socket, our own descriptor
	pidfd  int // of the program, -1 where there is none
	wake   int // eventfd, for the uplink to look at what the worker asks for

	region carry.Region
	file   *os.File
	base   uint64
	pinned *pinned

	ending sync.Once
	reason error
}

// newSession makes the region that a welcome describes, and fills in the header, which comes first.
func newSession(log *slog.Logger, server string, stream io.ReadWriteCloser, w wire.Welcome) (s *session, err error) {
	if w.Size < wire.MinRegionSize || w.Size > maxRegion || w.Size%wire.PageSize != 0 {
		return nil, fmt.Errorf("make shared memory: the server asks for %d bytes", w.Size)
	}
	s = &session{log: log, server: server, stream: stream, in: carry.NewReader(stream), base: w.Base, client: -1, pidfd: -1, wake: -1}
	if s.region, s.file, err = newRegion(regionSize(w.Size, machineMemory())); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.free()
		}
	}()
	s.life = carry.Watch(stream, carry.Silence)
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make an event descriptor: %w", err)
	}
	if err := s.readHeader(); err != nil {
		return nil, fmt.Errorf("read the session's header from %s: %w", server, s.life.Reason(err))
	}
	s.pinned = newPinned(s.region, wire.HeapOffset(w.Size))
	return s, nil
}

func (s *session) readHeader() error {
	h, err := s.in.Next()
	if err != nil {
		return err
	}
	if h.Kind != carry.Memory || h.Arg != wire.HeaderOffset || h.Length != wire.RingControl {
		return fmt.Errorf("a frame of kind %d came instead", h.Kind)
	}
	if err := s.in.Into(s.region[:wire.RingControl]); err != nil {
		return err
	}
	// What the worker says of its own machine's cores is not true of this one.
	s.region.Store32(wire.HdrSpin, clientSpin())
	s.region.Store32(wire.HdrCarrier, wire.CarrierStream)
	s.region.Store64(wire.HdrSize, uint64(len(s.region)))
	return nil
}

func fewCores() bool { return runtime.NumCPU() < 4 }

// clientSpin is for how many microseconds a waiting program spins before it sleeps: beside a relay, which needs
// a core as well, less than beside a worker.
func clientSpin() uint32 {
	if fewCores() {
		return 30
	}
	return 2000
}

// adopt takes the program's connection over. The caller closes its own.
func (s *session) adopt(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if s.client, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3); failed != nil {
			return
		}
		// A process that the program has forked may hold the socket too. Kernels before 5.3 have no pidfd.
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil && cred.Pid > 0 {
			if s.pidfd, err = unix.PidfdOpen(int(cred.Pid), 0); err != nil {
				s.pidfd = -1
			}
		}
	})
	return errors.Join(err, failed)
}

// run carries the session until one side ends it, and returns why.
func (s *session) run() error {
	var both sync.WaitGroup
	both.Go(func() { s.end(s.downlink()) })
	both.Go(s.guard)
	u := newUplink(s)
	s.end(u.run())
	both.Wait()
	return s.reason
}

// end ends the session for a reason, of which the first counts. The program finds it in its region.
func (s *session) end(reason error) {
	s.ending.Do(func() {
		s.reason = reason
		var ended *endedError
		switch {
		case errors.Is(reason, errGone):
		case errors.As(reason, &ended):
			s.tell(ended.result, ended.reason)
		default:
			s.tell(deviceUnavailable, reason.Error())
		}
		s.life.Stop()
		s.stream.Close()
		_ = unix.Shutdown(s.client, unix.SHUT_RDWR)
		s.ring()
	})
}

// tell writes into the region why the session has ended.
func (s *session) tell(result uint32, reason string) {
	b := s.region[wire.StatusMessage : wire.StatusMessage+wire.StatusMessageBytes]
	clear(b)
	copy(b[:len(b)-1], reason)
	if result == 0 {
		result = deviceUnavailable
	}
	s.region.Store32(wire.StatusEnded, result)
}

// guard ends the session when the program is gone, whatever the uplink waits for.
func (s *session) guard() {
	fds := []unix.PollFd{{Fd: int32(s.client), Events: unix.POLLRDHUP}, {Fd: int32(s.pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			s.end(fmt.Errorf("watch the program: %w", err))
			return
		}
		if err == nil && n > 0 {
			s.end(errGone)
			return
		}
	}
}

// ring has the uplink look.
func (s *session) ring() { _, _ = unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// free gives back what the session has. Nothing of it runs any more.
func (s *session) free() {
	if s.life != nil {
		s.life.Stop()
	}
	for _, fd := range []int{s.client, s.pidfd, s.wake} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	if s.pinned != nil {
		s.pinned.shared.Close()
	}
	_ = unix.Munmap(s.region)
	s.file.Close()
}
