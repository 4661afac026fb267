// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/host/gpu"
	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/host/session/process"
	"github.com/orion-vgpu/orion/host/session/record"
	"github.com/orion-vgpu/orion/host/worker"
	"github.com/orion-vgpu/orion/proto/wire"
)

// start gets a lease and turns the connection over to a new worker. After an error nothing of the session is
// left, and the client has not been answered.
func (s *Server) start(ctx context.Context, conn *entrance.Conn, who peer, h wire.Hello) error {
	if s.opt.MaxSessions > 0 && s.reserved.Add(1) > int64(s.opt.MaxSessions) {
		s.reserved.Add(-1)
		return refuse(driver.ErrorNoDevice, "this node runs its %d sessions already (key max_sessions in section [server])", s.opt.MaxSessions)
	}
	mem, err := s.memory(conn, h)
	if err != nil {
		s.unreserve()
		return err
	}
	ses, err := s.prepare(ctx, who, h, mem)
	if err != nil {
		mem.discard()
		s.unreserve()
		return err
	}
	if err := s.launch(ses, conn, who); err != nil {
		s.remove(ses)
		s.endLingering(ses)
		ses.hangUp()
		mem.discard()
		return err
	}
	r := ses.rec
	s.log.Info("session started", "session", r.ID, "client", who, "program", r.Program, "host", r.Host,
		"vgpus", len(r.VGPUs), "lease", r.Lease, "worker", r.Worker.PID)
	s.watchers.Go(func() { s.watch(ses) })
	return nil
}

// prepare asks the pool, and lists the session from the moment on at which it holds a lease.
func (s *Server) prepare(ctx context.Context, who peer, h wire.Hello, mem memory) (*session, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	granting, cancel := context.WithTimeout(ctx, grantTimeout)
	defer cancel()
	lease, err := s.grant(granting, Request{
		VGPUs: int(h.VGPUs), MemoryMiB: int(h.GMemMiB), RatioPercent: int(h.Ratio), CrossNode: h.Cross,
		Program: h.Program, PID: who.pid(h), Host: h.Host,
	})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, refuse(driver.ErrorOperatingSystem, "oriond is stopping: start the program again")
	case errors.Is(err, context.DeadlineExceeded):
		return nil, refuse(driver.ErrorNoDevice, "orion-controller did not answer within %v", grantTimeout)
	case errors.Is(err, ErrOutOfMemory):
		return nil, refuse(driver.ErrorOutOfMemory, "%v", err)
	default:
		return nil, refuse(driver.ErrorNoDevice, "%v", err)
	}
	ses := &session{mem: mem, order: h.Order, rec: record.Session{
		ID: id, Lease: lease.ID, Boot: s.boot, Client: who.ref, UID: who.uid, Slice: mem.record(),
		Program: h.Program, Host: h.Host, VGPUs: lease.VGPUs, Since: time.Now(),
	}}
	if !who.local {
		ses.rec.From = who.source
	}
	s.add(ses)
	if mem.slice != nil && mem.slice.Ended() { // before EndDomain could find the session
		s.mu.Lock()
		ses.domainEnded = true
		s.mu.Unlock()
	}
	return ses, nil
}

// launch makes the region and the worker, and writes the record.
func (s *Server) launch(ses *session, conn *entrance.Conn, who peer) (err error) {
	if who.gone() {
		return errGone
	}
	vgpus, err := s.resolve(ses.rec.VGPUs)
	if err != nil {
		return err
	}
	var in worker.Inheritance
	if in.Region, err = ses.mem.open("orion-" + ses.rec.ID); err != nil {
		return err
	}
	defer in.Region.Close()
	if err := conn.Keep(ses.mem.patience()); err != nil {
		return err
	}
	if in.Socket, err = conn.File(); err != nil {
		return err
	}
	defer in.Socket.Close()
	if ses.mem.slice != nil {
		if ses.peer, err = conn.File(); err != nil {
			return err
		}
	}
	if who.handle != nil {
		if in.Client, err = who.handle.Dup(); err != nil {
			return err
		}
		defer in.Client.Close()
		client, err := who.handle.Dup()
		if err != nil {
			return err
		}
		ses.client = process.FromFile(client)
	}
	if in.Log, err = createLog(s.opt.LogDir, ses.rec); err != nil {
		return err
	}
	defer in.Log.Close()

	rec := ses.rec
	rec.Log = in.Log.Name()
	cmd, handle, err := s.employ(worker.Config{
		Session: rec.ID, Program: rec.Program, PID: rec.Client.PID,
		Backend: s.opt.GPUs.Backend(), Node: s.opt.Node, VGPUs: arrange(vgpus, ses.order),
		Carrier: ses.mem.carrier, RegionBase: wire.DefaultBase, RegionOffset: ses.mem.offset, RegionSize: ses.mem.size,
		HostMemoryBytes: s.opt.HostMemoryBytes, Release: s.opt.Release, LogLevel: s.opt.WorkerLogLevel,
	}, in)
	if err != nil {
		return err
	}
	// Our child is not reaped yet: the PID is its own.
	if rec.Worker, err = process.Find(cmd.Process.Pid); err == nil {
		err = s.store.Save(rec)
	}
	if err != nil {
		end(cmd, handle)
		return fmt.Errorf("record session: %w", err)
	}
	s.running(ses, rec, cmd, handle)
	return nil
}

// arrange puts the vGPUs of a lease into the order of a hello. Those that it does not name follow in the lease's.
func arrange(vgpus []worker.VGPU, order [wire.MaxDevices]byte) []worker.VGPU {
	out := make([]worker.VGPU, 0, len(vgpus))
	taken := make([]bool, len(vgpus))
	take := func(place int) {
		if place >= 0 && place < len(vgpus) && !taken[place] {
			v := vgpus[place]
			v.Place = place
			out, taken[place] = append(out, v), true
		}
	}
	for _, n := range order {
		if n == 0 {
			break
		}
		take(int(n) - 1)
	}
	for place := range vgpus {
		take(place)
	}
	return out
}

// resolve finds the granted GPUs in this node's inventory.
func (s *Server) resolve(granted []record.VGPU) ([]worker.VGPU, error) {
	if len(granted) == 0 || len(granted) > wire.MaxDevices {
		return nil, fmt.Errorf("use lease: it has %d vGPUs", len(granted))
	}
	devices, err := s.opt.GPUs.Devices()
	if err != nil {
		return nil, fmt.Errorf("use lease: %w", err)
	}
	byUUID := map[string]gpu.Device{}
	for _, d := range devices {
		byUUID[d.UUID] = d
	}
	var out []worker.VGPU
	for _, v := range granted {
		d, ok := byUUID[v.UUID]
		if !ok {
			return nil, fmt.Errorf("use lease: GPU %s is not on this node", v.UUID)
		}
		out = append(out, worker.VGPU{
			UUID: v.UUID, Index: d.Index, TotalBytes: d.MemoryBytes,
			MemoryBytes: v.MemoryBytes, RatioPercent: v.RatioPercent,
		})
	}
	return out, nil
}

func newID() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make session id: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
