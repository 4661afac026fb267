// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/host/worker"
	"github.com/orion-vgpu/orion/proto/wire"
)

const (
	// clientGrace is what a worker has to end by itself after its client has: the driver may be slow to
	// give memory back.
	clientGrace    = 2 * time.Second
	releaseTimeout = 10 * time.Second
)

// session is one client with its worker.
type session struct {
	rec    record.Session        // guarded by Server.mu
	worker *process.Handle       // nil: has ended
	client *process.Handle       // nil: unknown, or has ended
	cmd    *exec.Cmd             // nil where an earlier oriond started the worker
	orphan bool                  // adopted after its client had ended
	order  [wire.MaxDevices]byte // of the vGPUs, as the client's hello has it

	mem         memory
	peer        *os.File // the client's socket once more, for sessions with a slice; nil: unknown
	domainEnded bool     // guarded by Server.mu
}

// close lets go of the processes, which run on.
func (ses *session) close() {
	if ses.worker != nil {
		ses.worker.Close()
	}
	if ses.client != nil {
		ses.client.Close()
	}
}

// hangUp lets go of the client's socket.
func (ses *session) hangUp() {
	if ses.peer != nil {
		ses.peer.Close()
	}
}

// watch waits for the end of a session's worker, and cleans up. It returns early, and leaves everything as it
// is, when the session is closed.
func (s *Server) watch(ses *session) {
	defer ses.hangUp()
	how := "it ended while oriond was away"
	clean := true
	if ses.worker != nil {
		ended := make(chan struct{})
		s.watchers.Go(func() { s.backstop(ses, ended) })
		err := ses.worker.Wait()
		close(ended)
		if err != nil {
			return
		}
		how, clean = ses.outcome()
	}
	s.remove(ses)
	appendLog(ses.rec.Log, "session over: worker: "+how)
	log := s.log.Info
	if !clean {
		log = s.log.Warn
	}
	log("session over", append([]any{"session", ses.rec.ID, "program", ses.rec.Program, "worker", how,
		"lasted", time.Since(ses.rec.Since).Round(time.Millisecond)}, ses.used()...)...)
	if err := pruneLogs(s.opt.LogDir, s.logInUse); err != nil {
		s.log.Warn("session logs remain", "reason", err)
	}
	s.linger(ses)
}

// outcome reaps the worker and says how it ended.
func (ses *session) outcome() (how string, clean bool) {
	if ses.cmd == nil {
		return "it ended; how is known only to the oriond that started it", true
	}
	err := ses.cmd.Wait()
	switch {
	case err == nil:
		return "exit status 0", true
	case ses.cmd.ProcessState.ExitCode() == worker.ExitHostMemory:
		return "its client had it take more of this host's memory than host_memory_mib allows", false
	}
	return err.Error(), false
}

// used says what a reaped worker took of the host: times of its CPU, and the most memory that was resident.
func (ses *session) used() []any {
	if ses.cmd == nil || ses.cmd.ProcessState == nil {
		return nil
	}
	state := ses.cmd.ProcessState
	used := []any{"user", state.UserTime().Round(time.Millisecond), "system", state.SystemTime().Round(time.Millisecond)}
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		used = append(used, "peak", fmt.Sprintf("%dMiB", usage.Maxrss>>10))
	}
	return used
}

// backstop kills a worker that does not end after its client has, stuck in the driver for instance.
func (s *Server) backstop(ses *session, ended <-chan struct{}) {
	if !ses.orphan && (ses.client == nil || ses.client.Wait() != nil) {
		return
	}
	timer := time.NewTimer(clientGrace)
	defer timer.Stop()
	select {
	case <-ended:
		return
	case <-timer.C:
	}
	err := ses.worker.Kill()
	switch {
	case err == nil:
		s.log.Warn("killed worker: it did not end when its client did", "session", ses.rec.ID, "waited", clientGrace)
	case !errors.Is(err, process.ErrGone):
		s.log.Error("worker remains", "session", ses.rec.ID, "reason", err)
	}
}

// remove ends the bookkeeping of a session: its processes, its record, its lease.
func (s *Server) remove(ses *session) {
	ses.close()
	if err := s.store.Remove(ses.rec.ID); err != nil {
		s.log.Error("session record remains", "reason", err)
	}
	// Unlisted before the release: a heartbeat must not report a lease again that has been given back.
	s.drop(ses)
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if err := s.opt.Pool.Release(ctx, ses.rec.Lease); err != nil {
		s.log.Warn("lease not given back: the next heartbeat makes up for it", "lease", ses.rec.Lease, "reason", err)
	}
	s.leaseReturned()
}
