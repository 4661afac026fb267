// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/host/session/entrance"
	"github.com/orion-vgpu/orion/proto/wire"
	"github.com/orion-vgpu/orion/tests/machine"
)

// nowhere is the address by TCP for machines whose programs are this process, which knows where to connect.
var nowhere = netip.MustParseAddrPort("127.0.0.1:1")

// machines is a server with virtual machines, by TCP and hybrid vsock.
type machines struct {
	*server
	host *machine.Host
	tcp  string
}

func serveMachines(t *testing.T) *machines {
	t.Helper()
	return serveMachinesIn(t, t.TempDir(), &fakePool{}, machine.NewHost(t))
}

func serveMachinesIn(t *testing.T, dir string, pool *fakePool, host *machine.Host) *machines {
	t.Helper()
	tcp, err := entrance.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &machines{host: host, tcp: tcp.Addr().String()}
	m.server = serveIn(t, dir, pool, func(o *Options) {
		o.Domains, o.Listeners = host, []*entrance.Listener{tcp}
	})
	return m
}

// vsock is the socket of a machine's hybrid vsock, to which its monitor would connect.
func (m *machines) vsock(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(m.opt.Socket), "vsock_9960")
	l, err := entrance.ListenHybrid(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { m.Accept(t.Context(), l) })
	t.Cleanup(running.Wait)
	return path
}

// greet sends a hello and returns the answer with the connection it came by.
func greet(t *testing.T, network, address string, h wire.Hello) (wire.Welcome, net.Conn) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	b, _ := h.MarshalBinary()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(2 * eventually))
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatal(err)
	}
	var w wire.Welcome
	if err := w.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	return w, conn
}

func deviceHello(nonce [wire.NonceBytes]byte) wire.Hello {
	h := hello("in a machine")
	h.Carrier, h.Proof, h.Host, h.PID = wire.CarrierDevice, nonce, "guest", 77
	return h
}

func TestSliceByTCPAndVsock(t *testing.T) {
	t.Parallel()
	m := serveMachines(t)
	vm := m.host.Add(t, "vm", 5, 256<<20, nowhere)
	for i, way := range [][2]string{{"tcp", m.tcp}, {"unix", m.vsock(t)}} {
		nonce := vm.Nonce()
		w, conn := greet(t, way[0], way[1], deviceHello(nonce))
		if w.Status != 0 || w.Offset < wire.SliceOffset || w.Size < wire.MinRegionSize || w.Offset+w.Size > 256<<20 {
			t.Fatalf("welcome by %s = %+v", way[0], w)
		}
		if vm.Nonce() == nonce {
			t.Error("the nonce serves twice")
		}
		pid := m.workerOf(t, w.Session)
		r := m.Sessions()[0]
		if r.Slice == nil || r.Slice.Domain != "vm" || r.Slice.Offset != w.Offset || r.Slice.Size != w.Size || r.Client.PID != 0 ||
			r.From != []string{"127.0.0.1", "vsock:" + filepath.Join(filepath.Dir(m.opt.Socket), "vsock_9960")}[i] {
			t.Errorf("record = %+v, slice %+v", r, r.Slice)
		}
		conn.Close()
		waitFor(t, "end of the session", eventually, func() bool { return m.pool.leases() == 0 && vm.SlicesInUse() == 0 && !running(pid) })
	}
}

func TestSliceRefusals(t *testing.T) {
	t.Parallel()
	m := serveMachines(t)
	vm, other := m.host.Add(t, "vm", 5, 64<<20, nowhere), m.host.Add(t, "other", 6, 64<<20, nowhere)
	vsock := m.vsock(t)
	stale := vm.Nonce()
	first, _ := greet(t, "tcp", m.tcp, deviceHello(stale))
	if first.Status != 0 {
		t.Fatalf("welcome = %+v", first)
	}
	plain := func(carrier uint32) wire.Hello { h := hello("p"); h.Carrier = carrier; return h }
	for _, c := range []struct {
		name             string
		network, address string
		hello            wire.Hello
		status           uint32
		words            string
	}{
		{"stale nonce", "tcp", m.tcp, deviceHello(stale), 600, "stale"},
		{"wrong nonce", "tcp", m.tcp, deviceHello([32]byte{1, 2, 3}), 600, "stale"},
		{"no nonce", "unix", vsock, deviceHello([32]byte{}), 600, "stale"},
		{"no room", "tcp", m.tcp, deviceHello(vm.Nonce()), 801, "in use"},
		{"a device by the unix socket", "unix", m.opt.Socket, deviceHello(other.Nonce()), 1, "vsock or TCP"},
		{"memory by TCP", "tcp", m.tcp, plain(wire.CarrierMemory), 1, "unix socket"},
		{"memory by vsock", "unix", vsock, plain(wire.CarrierMemory), 1, "vsock:"},
		{"a stream by the unix socket", "unix", m.opt.Socket, plain(wire.CarrierStream), 1, "shared memory"},
		{"no such carrier", "tcp", m.tcp, plain(7), 1, "carrier 7"},
	} {
		w, _ := greet(t, c.network, c.address, c.hello)
		if w.Status != c.status || !strings.Contains(w.Message, c.words) {
			t.Errorf("%s: status %d, %q; want %d and %q", c.name, w.Status, w.Message, c.status, c.words)
		}
	}
	if n, sessions := other.SlicesInUse(), len(m.Sessions()); n != 0 || sessions != 1 || m.pool.leases() != 1 {
		t.Errorf("refusals left %d slices, %d sessions, %d leases", n, sessions-1, m.pool.leases()-1)
	}
	// A refusal by the pool costs the nonce, not the slice.
	m.pool.mu.Lock()
	m.pool.refusal = errors.New("no vGPU is free")
	m.pool.mu.Unlock()
	if w, _ := greet(t, "tcp", m.tcp, deviceHello(other.Nonce())); w.Status != 100 || other.SlicesInUse() != 0 {
		t.Errorf("after a refusal by the pool: %+v, %d slices in use", w, other.SlicesInUse())
	}
}

// By vsock the kernel says which machine a client is in; a nonce of another's serves it nothing.
func TestCIDs(t *testing.T) {
	t.Parallel()
	m := serveMachines(t)
	vm, other := m.host.Add(t, "vm", 5, 64<<20, nowhere), m.host.Add(t, "other", 6, 64<<20, nowhere)
	in := func(cid uint32) *entrance.Conn { return &entrance.Conn{Kind: entrance.Vsock, CID: cid} }
	var r *refusal
	if _, err := m.memory(in(5), deviceHello(other.Nonce())); !errors.As(err, &r) || r.status != 801 {
		t.Errorf("a machine with the nonce of another: %v", err)
	}
	mem, err := m.memory(in(5), deviceHello(vm.Nonce()))
	if err != nil || mem.slice.Domain() != "vm" {
		t.Fatalf("a machine with its own nonce: %+v, %v", mem, err)
	}
	mem.discard()
	if err := m.checkCarrier(in(99), wire.CarrierStream); err == nil || !strings.Contains(err.Error(), "oriond vm enable") {
		t.Errorf("a stream of a machine that has not opted in: %v", err)
	}
	if err := m.checkCarrier(in(5), wire.CarrierStream); err != nil {
		t.Errorf("a stream of a machine that has: %v", err)
	}
	if a, b := in(5).Source(), in(6).Source(); a == b {
		t.Errorf("two machines count as one source, %s", a)
	}
}

func TestNoMachines(t *testing.T) {
	t.Parallel()
	tcp, err := entrance.ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, func(o *Options) { o.Listeners = []*entrance.Listener{tcp} })
	if w, _ := greet(t, "tcp", tcp.Addr().String(), deviceHello([32]byte{})); w.Status != 801 || !strings.Contains(w.Message, "enable_kvm") {
		t.Errorf("welcome = %+v", w)
	}
}

func TestGarbageByTCP(t *testing.T) {
	t.Parallel()
	m := serveMachines(t)
	for _, b := range [][]byte{nil, make([]byte, 17), make([]byte, wire.HelloSize), bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 320)} {
		conn, err := net.Dial("tcp", m.tcp)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(b)
		conn.(*net.TCPConn).CloseWrite()
		conn.SetReadDeadline(time.Now().Add(2 * eventually))
		answer, err := io.ReadAll(conn)
		if os.IsTimeout(err) || len(answer) > wire.HelloSize {
			t.Errorf("%d bytes of garbage: answer of %d bytes, %v", len(b), len(answer), err)
		}
		conn.Close()
	}
	m.mustBeUntouched(t)
	m.connect(t, "others go on")
}

// EndDomain kills the workers of one domain, and gives back slices that were waiting for their clients.
func TestEndDomain(t *testing.T) {
	t.Parallel()
	m := serveMachines(t)
	vm, other := m.host.Add(t, "vm", 5, 256<<20, nowhere), m.host.Add(t, "other", 6, 256<<20, nowhere)
	a, conn := greet(t, "tcp", m.tcp, deviceHello(vm.Nonce()))
	waiting, crash := greet(t, "tcp", m.tcp, deviceHello(vm.Nonce()))
	b, _ := greet(t, "tcp", m.tcp, deviceHello(other.Nonce()))
	pid, stays := m.workerOf(t, a.Session), m.workerOf(t, b.Session)
	m.workerOf(t, waiting.Session)
	crash.Write([]byte{1}) // the worker crashes; its client lives on
	waitFor(t, "end of the crashed worker", eventually, func() bool { return len(m.Sessions()) == 2 })
	if n := vm.SlicesInUse(); n != 2 {
		t.Errorf("%d slices in use while the client of one lives", n)
	}
	vm.End()
	m.EndDomain("vm")
	waitFor(t, "end of the domain's session", eventually, func() bool { return !running(pid) && len(m.Sessions()) == 1 })
	waitFor(t, "its slices are back", eventually, func() bool { return vm.SlicesInUse() == 0 })
	conn.SetReadDeadline(time.Now().Add(eventually))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the client reads %v, want the end of the connection", err)
	}
	if !running(stays) {
		t.Error("the other machine's session ended too")
	}
}

// Adoption takes slices over, those of workers that have ended meanwhile too: they are wiped.
func TestAdoptionOfSlices(t *testing.T) {
	t.Parallel()
	dir, pool, host := t.TempDir(), &fakePool{}, machine.NewHost(t)
	first := serveMachinesIn(t, dir, pool, host)
	vm, gone := host.Add(t, "vm", 5, 256<<20, nowhere), host.Add(t, "gone", 6, 256<<20, nowhere)
	kept, conn := greet(t, "tcp", first.tcp, deviceHello(vm.Nonce()))
	ended, endedConn := greet(t, "tcp", first.tcp, deviceHello(vm.Nonce()))
	lost, _ := greet(t, "tcp", first.tcp, deviceHello(gone.Nonce()))
	keptPID, endedPID, lostPID := first.workerOf(t, kept.Session), first.workerOf(t, ended.Session), first.workerOf(t, lost.Session)
	first.stop()
	endedConn.Close()
	waitFor(t, "end of a worker without oriond", eventually, func() bool { return !running(endedPID) })
	if f, err := os.OpenFile(vm.Path, os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	} else if _, err := f.WriteAt([]byte("secret"), int64(ended.Offset)); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	gone.End()
	host.Forget(t)

	second := serveMachinesIn(t, dir, pool, host)
	waitFor(t, "end of what is lost", eventually, func() bool { return pool.leases() == 1 && !running(lostPID) })
	waitFor(t, "one slice", eventually, func() bool { return vm.SlicesInUse() == 1 })
	if all := second.Sessions(); len(all) != 1 || all[0].ID != kept.Session || !running(keptPID) {
		t.Errorf("adopted %+v", all)
	}
	if b, err := os.ReadFile(vm.Path); err != nil || bytes.Contains(b, []byte("secret")) {
		t.Errorf("what an ended program had is still in the region, %v", err)
	}
	conn.Close()
	waitFor(t, "end of the adopted session", eventually, func() bool { return pool.leases() == 0 && vm.SlicesInUse() == 0 })
}

func TestManySlicesStayFlat(t *testing.T) {
	m := serveMachines(t)
	vm := m.host.Add(t, "vm", 5, 128<<20, nowhere)
	one := func() {
		w, conn := greet(t, "tcp", m.tcp, deviceHello(vm.Nonce()))
		if w.Status != 0 {
			t.Fatalf("welcome = %+v", w)
		}
		conn.Close()
		waitFor(t, "the slice is free", eventually, func() bool { return vm.SlicesInUse() == 0 && m.pool.leases() == 0 })
	}
	one()
	time.Sleep(50 * time.Millisecond)
	fds, goroutines := openFDs(t), runtime.NumGoroutine()
	for range 30 {
		one()
	}
	time.Sleep(50 * time.Millisecond)
	if a, b := openFDs(t), runtime.NumGoroutine(); a > fds+3 || b > goroutines+3 {
		t.Errorf("after 30 sessions: descriptors %d -> %d, goroutines %d -> %d", fds, a, goroutines, b)
	}
}

// A domain may end while its session waits for a lease, and is not listed yet.
func TestDomainEndsBeforeItsSessionIsListed(t *testing.T) {
	t.Parallel()
	pool := &fakePool{}
	m := serveMachinesIn(t, t.TempDir(), pool, machine.NewHost(t))
	vm := m.host.Add(t, "vm", 5, 256<<20, nowhere)
	pool.note = func(event, _ string) {
		if event == "grant" {
			vm.End()
			m.EndDomain("vm")
		}
	}
	conn, err := net.Dial("tcp", m.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // open until then: a machine that was destroyed does not say good-bye
	h := deviceHello(vm.Nonce())
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "grant", eventually, func() bool {
		pool.mu.Lock()
		defer pool.mu.Unlock()
		return pool.next == 1
	})
	waitFor(t, "end of the session", eventually, func() bool {
		return pool.leases() == 0 && len(m.Sessions()) == 0 && vm.SlicesInUse() == 0
	})
}
