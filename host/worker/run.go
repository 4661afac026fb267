// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

// Backend opens the driver of a session. Print takes what kernels print for the client's descriptor fd, 1
// or 2, from backends that do not write to this process's own.
type Backend func(cfg Config, print func(fd int, text []byte)) (driver.Driver, error)

// Run serves one session on the inherited descriptors and returns when the client is gone. A failure to start
// is told to the client in the welcome. The caller ends the process afterwards: a session's threads may be
// blocked in the driver. prepared is nil where nothing has been prepared.
func Run(cfg Config, prepared *Prepared, open Backend, log *slog.Logger) error {
	w := wire.Welcome{Version: wire.Version, Spec: cuda.SpecHash, Devices: uint32(len(cfg.VGPUs)),
		Size: cfg.RegionSize, Base: cfg.RegionBase, Offset: cfg.RegionOffset, Session: cfg.Session, Release: cfg.Release}
	s, err := start(cfg, prepared, open, log)
	if err != nil {
		w.Status, w.Message = uint32(driver.ErrorSystemNotReady), err.Error()
		var r driver.Result
		if errors.As(err, &r) {
			w.Status = uint32(r)
		}
		return errors.Join(err, welcome(w, -1))
	}
	client := ClientFD
	if cfg.PID == 0 {
		client = -1
	}
	r := &consumer{region: s.region, buffer: make([]byte, wire.MaxCommand), socket: SocketFD, mail: s.mail, client: client,
		spin: spinTime()}
	fd := -1
	if cfg.Carrier == wire.CarrierMemory {
		fd = RegionFD
	}
	if err := welcome(w, fd); err != nil {
		return err
	}
	if cfg.Carrier == wire.CarrierStream {
		if r.socket, err = s.carry(); err != nil {
			return err
		}
		s.mail.socket = r.socket // what comes on the client's own is the carrier's
	}
	log.Info("session started", "program", cfg.Program, "pid", cfg.PID, "backend", cfg.Backend, "vgpus", len(cfg.VGPUs),
		"opened", s.opened.Round(time.Millisecond), "registered", s.registered.Round(time.Millisecond))
	if s.hostMemory != nil {
		go s.watchHostMemory()
	}
	go s.exitWithClient(r.socket, r.client)
	err = s.serve(r)
	if errors.Is(err, errGone) {
		s.over.Do(func() { log.Info("session ended: the client is gone") })
		return nil
	}
	s.conclude(err, func() {
		if s.carrier != nil {
			s.carrier.Finish()
		}
	})
	return err
}

// conclude tells client and log why the session is over, for the first that finds that it is. The client may be gone as
// soon as it knows: who finds that waits here, so that finish is not cut short.
func (s *server) conclude(reason error, finish func()) {
	s.over.Do(func() {
		s.end(driver.ErrorUnknown, reason.Error())
		s.log.Error("session ended", "reason", reason)
		finish()
	})
}

// start makes a server that is ready for commands.
func start(cfg Config, p *Prepared, open Backend, log *slog.Logger) (*server, error) {
	reg, err := mapRegion(RegionFD, cfg.RegionBase, cfg.RegionOffset, cfg.RegionSize)
	if err != nil {
		return nil, err
	}
	if cfg.Carrier == wire.CarrierDevice {
		reg.discard(driver.HostPtr(reg.base), reg.size) // whoever had the slice before
	}
	begin := time.Now()
	if p == nil {
		if p, err = Prepare(cfg, open); err != nil {
			return nil, err
		}
	}
	opened := time.Now()
	mem := newMemory(cfg.VGPUs)
	guard := newGuarded(p.api, newHandleTable())
	s := newServer(cfg, reg, p.drv, newCharging(guard, mem), mem)
	s.handles = guard.handles
	s.log, s.home, s.mail = log, p.home, newMail(SocketFD)
	reg.lost = func(r driver.Result) { s.contextLost(r, "a wait") }
	con := s.console
	p.console.Store(con)
	s.opened = opened.Sub(begin)
	if err := s.writeHeader(); err != nil {
		return nil, err
	}
	if r := s.registerRegion(); r != driver.Success {
		return nil, fmt.Errorf("register shared memory with the driver: %w", r)
	}
	s.registered = time.Since(opened)
	if err := s.boundHostMemory(); err != nil {
		return nil, err
	}
	if cfg.Backend == "cuda" {
		if err := con.capture(); err != nil {
			return nil, err
		}
		go con.loop()
	}
	go s.watch.loop()
	return s, nil
}

// registerRegion makes slots and the first part of staging usable for the GPUs, in the first device's primary context,
// and finds out whether streams can write flags into them.
func (s *server) registerRegion() driver.Result {
	if r := s.api.CtxSetCurrent(s.home); r != driver.Success {
		return r
	}
	slots, n := s.region.slots()
	if r := s.api.MemHostRegister(slots, n, registerPortable|registerDeviceMap); r != driver.Success {
		return r
	}
	s.current = s.home
	s.stagePart(0)
	stage, _ := s.region.stagePart(0)
	p, r := s.api.MemHostGetDevicePointer(stage, 0)
	same := r == driver.Success && uint64(p) == uint64(stage)
	flag := ticket{region: s.region, slot: wire.SlotsOffset, seq: 1}
	s.gpuFlags = same && s.api.WriteFlag(driver.StreamDefault, flag.flag(), flag.seq) == driver.Success &&
		s.api.CtxSynchronize() == driver.Success && flag.answered()
	s.region.store32(wire.SlotsOffset+wire.SlotFlag, 0)
	s.forgetContext()
	return driver.Success
}

// writeHeader fills the region's header and the table of devices.
func (s *server) writeHeader() error {
	b := make([]byte, 4096)
	le := binary.LittleEndian
	version, r := s.api.DriverGetVersion()
	if r != driver.Success {
		return fmt.Errorf("ask the driver's version: %w", r)
	}
	le.PutUint32(b[wire.HdrMagic:], wire.Magic)
	le.PutUint32(b[wire.HdrVersion:], wire.Version)
	le.PutUint64(b[wire.HdrSize:], s.region.size)
	le.PutUint64(b[wire.HdrBase:], uint64(s.region.base))
	le.PutUint32(b[wire.HdrDevices:], uint32(len(s.cfg.VGPUs)))
	le.PutUint32(b[wire.HdrDriver:], uint32(version))
	le.PutUint32(b[wire.HdrSpin:], clientSpin())
	le.PutUint64(b[wire.HdrStage:], wire.StageBytes(s.region.size))
	le.PutUint32(b[wire.HdrCarrier:], s.cfg.Carrier)
	for i := range s.cfg.VGPUs {
		if err := s.writeDevice(b[wire.HdrDeviceTable+i*wire.DeviceSize:], driver.Device(i)); err != nil {
			return err
		}
	}
	copy(s.region.bytes(wire.HeaderOffset, uint64(len(b))), b)
	return nil
}

func (s *server) writeDevice(b []byte, d driver.Device) error {
	uuid, name := make([]byte, 16), make([]byte, 256)
	if r := s.api.DeviceGetUuid(uuid, d); r != driver.Success {
		return fmt.Errorf("ask the identity of GPU %d: %w", d, r)
	}
	if r := s.api.DeviceGetName(name, int32(len(name)), d); r != driver.Success {
		return fmt.Errorf("ask the name of GPU %d: %w", d, r)
	}
	total, r := s.api.DeviceTotalMem(d)
	if r != driver.Success {
		return fmt.Errorf("ask the memory of GPU %d: %w", d, r)
	}
	v := s.cfg.VGPUs[d]
	if v.MemoryBytes == 0 || v.MemoryBytes > total {
		s.memory.quota[d] = total
	}
	le := binary.LittleEndian
	copy(b[wire.DevUUID:], uuid)
	le.PutUint64(b[wire.DevMemory:], s.memory.quota[d])
	le.PutUint32(b[wire.DevPlace:], uint32(v.Place))
	const pciBus, pciDevice, pciDomain = 33, 34, 50
	for at, attribute := range map[int]uint32{wire.DevDomain: pciDomain, wire.DevBus: pciBus, wire.DevSlot: pciDevice} {
		n, _ := s.api.DeviceGetAttribute(attribute, d)
		le.PutUint32(b[at:], uint32(n))
	}
	text, _, _ := strings.Cut(string(name), "\x00")
	copy(b[wire.DevName:wire.DevName+wire.DevNameBytes-1], text)
	return nil
}

// clientSpin is for how many microseconds a waiting client should spin before it begins to sleep.
func clientSpin() uint32 {
	if runtime.NumCPU() < 4 {
		return 30
	}
	return uint32(longestSpin.Microseconds())
}

// welcome answers the client's hello, with the region's descriptor if it is not negative.
func welcome(w wire.Welcome, fd int) error {
	b, err := w.MarshalBinary()
	if err != nil {
		return err
	}
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	if err := unix.Sendmsg(SocketFD, b, rights, nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("answer the client's hello: %w", err)
	}
	return nil
}
