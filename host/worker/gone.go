// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// exitWithClient ends this process once the client is gone, unless its end has begun. The ring goroutine sees that too,
// but only when it has run all that is in the ring, and a driver with a full queue of long kernels keeps it from that.
func (s *server) exitWithClient(socket, client int) {
	fds := []unix.PollFd{{Fd: int32(socket), Events: unix.POLLRDHUP}, {Fd: int32(client), Events: unix.POLLIN}}
	if client < 0 {
		fds = fds[:1]
	}
	for {
		n, err := unix.Poll(fds, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			s.log.Warn("the worker will see late that its client is gone", "reason", err)
			return
		}
		if err == nil && n > 0 {
			break
		}
	}
	time.Sleep(10 * time.Millisecond) // an idle ring goroutine ends the session meanwhile
	s.over.Do(func() {
		s.log.Info("session ended: the client is gone, before all that it had queued was run")
		os.Exit(0)
	})
}
