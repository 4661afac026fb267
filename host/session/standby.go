// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/worker"
)

// standby keeps workers ready for each GPU. Their driver is initialised before there is a client, so that a program
// waits for neither. A session on several GPUs always gets a new worker: the driver must know all of them from its
// start.
type standby struct {
	mu    sync.Mutex
	ready map[string][]*spare // by the GPU's UUID
}

// spare is a worker without a session.
type spare struct {
	cmd     *exec.Cmd
	handle  *process.Handle
	control *net.UnixConn // to worker.Await; the worker ends when it closes
	taken   chan struct{} // closed when it gets a session
}

const (
	readyTimeout  = time.Minute // a GPU may have to wake first
	refillPause   = time.Second // the program that took the last one starts up meanwhile
	shortestRetry = 5 * time.Second
	longestRetry  = 5 * time.Minute
)

// take returns a spare of a GPU if one is ready, else nil. The caller owns it.
func (b *standby) take(uuid string) *spare {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.ready[uuid]
	if len(list) == 0 {
		return nil
	}
	w := list[0]
	b.ready[uuid] = slices.Delete(list, 0, 1)
	close(w.taken)
	return w
}

// offer lets a spare be taken.
func (b *standby) offer(uuid string, w *spare) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ready == nil {
		b.ready = map[string][]*spare{}
	}
	b.ready[uuid] = append(b.ready[uuid], w)
}

// withdraw ends that. It is false if the spare was taken meanwhile.
func (b *standby) withdraw(uuid string, w *spare) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.ready[uuid], w)
	if i < 0 {
		return false
	}
	b.ready[uuid] = slices.Delete(b.ready[uuid], i, i+1)
	return true
}

// run fills every place of every GPU, until ctx ends; the spares end with it.
func (b *standby) run(ctx context.Context, s *Server) {
	if s.opt.Standby == 0 {
		return
	}
	devices, err := s.opt.GPUs.Devices()
	if err != nil {
		s.log.Warn("no workers on standby", "reason", err)
		return
	}
	var places sync.WaitGroup
	defer places.Wait()
	for _, d := range devices {
		for range s.opt.Standby {
			places.Go(func() { b.keep(ctx, s, d) })
		}
	}
}

// keep fills one place.
func (b *standby) keep(ctx context.Context, s *Server, d gpu.Device) {
	retry := shortestRetry
	for ctx.Err() == nil {
		pause := refillPause
		w, err := s.newSpare(ctx, d)
		if err == nil {
			err = b.hold(ctx, s, d.UUID, w)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("no worker on standby", "gpu", d.UUID, "again_in", retry, "reason", err)
			pause, retry = retry, min(2*retry, longestRetry)
		default:
			retry = shortestRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// newSpare starts a worker and waits until it is ready.
func (s *Server) newSpare(ctx context.Context, d gpu.Device) (_ *spare, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "standby")
	defer theirs.Close()
	ours := os.NewFile(uintptr(pair[0]), "standby")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	w := &spare{control: conn.(*net.UnixConn), taken: make(chan struct{})}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err == nil {
		w.cmd, w.handle, err = s.spawn(worker.Config{
			Standby: true, Backend: s.opt.GPUs.Backend(), Node: s.opt.Node, LogLevel: s.opt.WorkerLogLevel,
			VGPUs: []worker.VGPU{{UUID: d.UUID, Index: d.Index, TotalBytes: d.MemoryBytes}},
		}, "standby", os.Stderr, theirs, null, null)
		null.Close()
	}
	if err != nil {
		w.control.Close()
		return nil, err
	}
	theirs.Close() // else its end would not be seen
	stop := context.AfterFunc(ctx, func() { w.control.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	w.control.SetReadDeadline(time.Now().Add(readyTimeout))
	if ctx.Err() != nil {
		w.dismiss()
		return nil, ctx.Err()
	}
	if _, err := w.control.Read(make([]byte, 1)); err != nil {
		w.dismiss()
		return nil, fmt.Errorf("wait for worker %d to be ready: %w", w.cmd.Process.Pid, err)
	}
	return w, nil
}

// errEnded is the end of a spare before its time.
var errEnded = errors.New("the worker has ended")

// hold holds a spare out until somebody takes it. Else it is gone when hold returns.
func (b *standby) hold(ctx context.Context, s *Server, uuid string, w *spare) error {
	ended := make(chan struct{})
	watch, err := w.handle.Dup()
	if err != nil {
		w.dismiss()
		return err
	}
	h := process.FromFile(watch)
	go func() { // until h is closed
		if h.Wait() == nil {
			close(ended)
		}
	}()
	defer h.Close()
	b.offer(uuid, w)
	s.log.Debug("worker on standby", "gpu", uuid, "worker", w.cmd.Process.Pid)
	select {
	case <-w.taken:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-ended:
		err = errEnded
	}
	if !b.withdraw(uuid, w) {
		return nil
	}
	w.dismiss()
	return err
}

// dismiss ends a spare.
func (w *spare) dismiss() {
	w.control.Close()
	end(w.cmd, w.handle)
}
