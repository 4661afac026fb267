// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/vmm/ivshmem"
	"github.com/orion-vgpu/orion/vmm/record"
)

func TestMachineFromStartToEnd(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", optedIn("1"))
	s := h.awaitState("vm", Attached)
	if s.Size != MinSize || s.Region == "" || s.Slices != 0 {
		t.Errorf("status is %+v", s)
	}
	if info, err := os.Stat(filepath.Join(h.shared, s.Region)); err != nil || info.Size() != MinSize || info.Mode() != 0o600 {
		t.Errorf("its file is %v, %v", info, err)
	}
	h.hv.set("vm", nil)
	h.awaitNothing()
	if h.endings() == 0 {
		t.Error("its sessions go on")
	}
}

func TestMachinesThatDidNotOptInAreLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("plain", &Machine{Run: "1"})
	h.hv.set("other", &Machine{Run: "2", Size: MinSize, Node: "there"})
	h.hv.set("vm", optedIn("3"))
	h.awaitState("vm", Attached)
	if r := h.Report(); len(r.Machines) != 1 || h.hv.attached != 1 {
		t.Errorf("%d attached; report %+v", h.hv.attached, r)
	}
}

func TestOptingInAndOutWhileRunning(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", &Machine{Run: "1"})
	h.hv.do(func() { h.hv.machines["vm"].Size = MinSize })
	h.hv.send(Event{Kind: Changed, Machine: "vm"})
	h.awaitState("vm", Attached)
	h.hv.do(func() { h.hv.machines["vm"].Size = 0 })
	h.hv.send(Event{Kind: Changed, Machine: "vm"})
	h.awaitNothing()
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		machine    Machine
		fail       error
	}{
		{"no slot", "add a bridge", Machine{Size: MinSize}, &HotplugError{errors.New("no slot"), "add a bridge"}},
		{"other failure", "monitor is busy", Machine{Size: MinSize}, errors.New("monitor is busy")},
		{"no power of two", "power of two", Machine{Size: 100 << 20}, nil},
		{"small", "64MiB", Machine{Size: 1 << 20}, nil},
		{"spoilt", "want a number", Machine{Fault: errors.New("want a number")}, nil},
		{"another's", "another oriond", Machine{Size: MinSize, Regions: []string{"orion-00000000000000000000000000000000"}}, nil},
		{"larger than /dev/shm", "remount", Machine{Size: MaxSize}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			if room, err := ivshmem.Room(h.shared); c.machine.Size == MaxSize && (err != nil || room > MaxSize) {
				t.Skipf("the folder for temporary files holds a region of any size: %d MiB, %v", room>>20, err)
			}
			h.hv.do(func() { h.hv.fail = c.fail })
			c.machine.Run = "1"
			h.hv.set("vm", &c.machine)
			if s := h.awaitState("vm", Failed); !strings.Contains(s.Reason, c.want) {
				t.Errorf("the reason is %q, want %q", s.Reason, c.want)
			}
			if regions, _ := h.files(); regions != 0 {
				t.Errorf("%d files are left", regions)
			}
			h.hv.set("vm", nil)
			h.awaitNothing()
		})
	}
}

// A hot-plug that cannot work is not tried again by itself; another failure is.
func TestRetries(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.do(func() { h.hv.fail = &HotplugError{errors.New("no slot"), "add a bridge"} })
	h.hv.set("stuck", optedIn("1"))
	h.awaitState("stuck", Failed)
	for range 3 {
		h.hv.send(Event{Kind: Changed, Machine: "stuck"})
	}
	time.Sleep(20 * time.Millisecond)
	h.hv.do(func() {
		if h.hv.attached != 1 {
			t.Errorf("tried %d times", h.hv.attached)
		}
		h.hv.fail = errors.New("busy")
	})
	h.hv.set("vm", optedIn("2"))
	h.awaitState("vm", Failed)
	h.hv.do(func() { h.hv.fail = nil })
	h.awaitState("vm", Attached) // after firstRetry, without an event
	if err := h.Attach("stuck"); err != nil {
		t.Fatal(err)
	}
	h.awaitState("stuck", Attached)
}

func TestDetachUntilTheNextStart(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", optedIn("1"))
	h.awaitState("vm", Attached)
	ctx, cancel := context.WithTimeout(context.Background(), eventually)
	defer cancel()
	if err := h.Detach(ctx, "vm"); err != nil {
		t.Fatal(err)
	}
	h.awaitState("vm", Detached)
	h.hv.send(Event{Kind: Changed, Machine: "vm"})
	h.stop()
	h.start(nil) // another oriond knows it too
	if s := h.awaitState("vm", Detached); s.Region != "" {
		t.Errorf("status is %+v", s)
	}
	if err := h.Attach("vm"); err != nil {
		t.Fatal(err)
	}
	h.awaitState("vm", Attached)
	if err := h.Detach(ctx, "vm"); err != nil {
		t.Fatal(err)
	}
	h.hv.set("vm", nil)
	h.awaitNothing()
	h.hv.set("vm", optedIn("2"))
	h.awaitState("vm", Attached)
	if err := h.Detach(ctx, "absent"); err == nil {
		t.Error("detached from a machine that is not there")
	}
	if err := h.Attach("absent"); err == nil {
		t.Error("attached to a machine that is not there")
	}
}

func TestGuestDoesNotLetGo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", optedIn("1"))
	h.awaitState("vm", Attached)
	n := h.nonce("vm")
	h.hv.do(func() { h.hv.holdsOn = true })
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := h.Detach(ctx, "vm"); err == nil || !strings.Contains(err.Error(), "let go") {
		t.Errorf("Detach() = %v", err)
	}
	h.awaitState("vm", Detaching)
	if _, err := h.Claim(n, 0); err == nil {
		t.Error("a new client came in while the device is taken away")
	}
	if h.endings() == 0 {
		t.Error("its sessions go on")
	}
	h.hv.do(func() { h.hv.holdsOn = false })
	h.awaitState("vm", Detached) // asked once more
}

// What virsh took away is not given again against its user.
func TestDetachedByVirsh(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", optedIn("1"))
	h.awaitState("vm", Attached)
	h.hv.do(func() { h.hv.machines["vm"].Regions = nil })
	h.hv.send(Event{Kind: Changed, Machine: "vm"})
	h.awaitState("vm", Detached)
	if regions, _ := h.files(); regions != 0 || h.hv.attached != 1 {
		t.Errorf("%d files, attached %d times", regions, h.hv.attached)
	}
}

// Claims are by nonces that serve once, from the machine that has them.
func TestClaim(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	m := optedIn("1")
	m.CID, m.Vsock = 7, true
	h.hv.set("vm", m)
	h.hv.set("other", &Machine{Run: "2", Size: 2 * MinSize})
	h.awaitState("vm", Attached)
	h.awaitState("other", Attached)
	n := h.nonce("vm")
	s, err := h.Claim(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s.Domain() != "vm" || s.Size() < 32<<20 || s.Offset()+s.Size() > MinSize || h.status("vm").Slices != 1 {
		t.Errorf("slice of %s: %d bytes at %#x", s.Domain(), s.Size(), s.Offset())
	}
	for _, stale := range [][32]byte{n, {}} {
		if _, err := h.Claim(stale, 0); !errors.Is(err, ErrStaleNonce) {
			t.Errorf("a nonce that is no good: %v", err)
		}
	}
	n = h.nonce("vm")
	if _, err := h.Claim(n, 8); err == nil || errors.Is(err, ErrStaleNonce) {
		t.Errorf("a claim from another machine: %v", err)
	}
	if _, err := h.Claim(n, 7); !errors.Is(err, ErrStaleNonce) {
		t.Errorf("a nonce that another machine knows: %v", err)
	}
	if _, err := h.Claim(h.nonce("vm"), 7); err == nil || !strings.Contains(err.Error(), "vm enable vm --size") {
		t.Errorf("a claim to a full region: %v", err)
	}
	if _, err := h.Claim(h.nonce("other"), 7); err == nil {
		t.Error("a machine with an address claims from one without")
	}
	s.Release()
	s.Release()
	s, err = h.Claim(h.nonce("vm"), 7)
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := h.Known(7); !ok || name != "vm" {
		t.Errorf("Known(7) = %q, %v", name, ok)
	}
	for _, cid := range []uint32{0, 8} {
		if name, ok := h.Known(cid); ok {
			t.Errorf("Known(%d) = %q", cid, name)
		}
	}
	h.hv.set("vm", nil)
	h.await("the end of the machine", func() bool { return h.status("vm").Name == "" })
	if !s.Ended() {
		t.Error("its slice does not know")
	}
	if _, err := s.File().WriteAt([]byte("x"), int64(s.Offset())); err != nil {
		t.Errorf("the slice of a session that still ends: %v", err)
	}
	s.Release()
	if _, err := s.File().WriteAt([]byte("x"), 0); err == nil {
		t.Error("the file is open still")
	}
	if _, err := h.Adopt("vm", s.Offset(), s.Size()); !errors.Is(err, ErrGone) {
		t.Errorf("adopted from a machine that has ended: %v", err)
	}
}

// Many clients at once get slices that do not overlap, each nonce one of them.
func TestClaimsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", &Machine{Run: "1", Size: 8 * MinSize})
	h.awaitState("vm", Attached)
	var mu sync.Mutex
	var got []Slice
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for start := time.Now(); time.Since(start) < eventually; {
				s, err := h.Claim(h.nonce("vm"), 0)
				if errors.Is(err, ErrStaleNonce) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for _, o := range got {
					if s.Offset() < o.Offset()+o.Size() && o.Offset() < s.Offset()+s.Size() {
						t.Errorf("slices overlap at %#x and %#x", s.Offset(), o.Offset())
					}
				}
				got = append(got, s)
				return
			}
			t.Error("no nonce was good")
		})
	}
	clients.Wait()
	if len(got) != 4 {
		t.Errorf("%d slices", len(got))
	}
}

func TestReboot(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", optedIn("1"))
	region := h.awaitState("vm", Attached).Region
	s, err := h.Claim(h.nonce("vm"), 0)
	if err != nil || s.Ended() {
		t.Fatal("claim:", err)
	}
	defer s.Release()
	n := h.nonce("vm")
	h.hv.send(Event{Kind: Rebooted, Machine: "vm"})
	h.hv.send(Event{Kind: Rebooted, Machine: "unknown"})
	h.await("the end of its sessions", func() bool { return h.endings() == 1 })
	if !s.Ended() {
		t.Error("a slice of before the reboot is as good as ever")
	}
	if h.nonce("vm") == n || h.status("vm").Region != region {
		t.Error("the nonce is as before, or the region is not")
	}
}

func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for i, name := range []string{"lives", "ends", "anew"} {
		h.hv.set(name, optedIn(fmt.Sprint(i)))
		h.awaitState(name, Attached)
	}
	s, err := h.Claim(h.nonce("lives"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []uint64{s.Offset(), s.Offset() + s.Size()} {
		if _, err := s.File().WriteAt([]byte("x"), int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	region := h.status("lives").Region
	h.stop() // and nothing else: a crash
	h.hv.set("ends", nil)
	h.hv.set("anew", optedIn("9"))
	h.start(func(m *Manager) {
		if _, err := m.Adopt("lives", s.Offset(), s.Size()); err != nil {
			t.Errorf("adopt: %v", err)
		}
		if _, err := m.Adopt("lives", s.Offset(), s.Size()); err == nil {
			t.Error("adopted twice")
		}
		if _, err := m.Adopt("never", s.Offset(), s.Size()); !errors.Is(err, ErrGone) {
			t.Errorf("adopt from a machine that never was: %v", err)
		}
	})
	if st := h.awaitState("lives", Attached); st.Region != region || st.Slices != 1 {
		t.Errorf("status is %+v, want region %s", st, region)
	}
	h.awaitState("anew", Attached)
	h.await("the machine's end", func() bool { return h.status("ends").Name == "" })
	if regions, records := h.files(); regions != 2 || records != 2 {
		t.Errorf("%d regions and %d records are left", regions, records)
	}
	b, err := os.ReadFile(filepath.Join(h.shared, region))
	if err != nil {
		t.Fatal(err)
	}
	if b[s.Offset()] != 'x' || b[s.Offset()+s.Size()] != 0 {
		t.Error("an adopted slice was wiped, or what none has was not")
	}
	if _, err := h.Claim(h.nonce("lives"), 0); err == nil {
		t.Error("a region of 64MiB served two programs")
	}
}

// Crashes in the middle of attaching leave nothing that the next oriond does not settle.
func TestRestartWhileAttaching(t *testing.T) {
	t.Parallel()
	const name = "orion-0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		what         string
		file, device bool
	}{{"record", false, false}, {"file", true, false}, {"device", true, true}} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.stop()
			store, err := record.Open(h.dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Save(record.Domain{Name: "vm", Run: "1", Region: name, Size: MinSize}); err != nil {
				t.Fatal(err)
			}
			if c.file {
				path := filepath.Join(h.shared, name)
				if err := errors.Join(os.WriteFile(path, nil, 0o660), os.Truncate(path, MinSize)); err != nil {
					t.Fatal(err)
				}
			}
			m := optedIn("1")
			if c.device {
				m.Regions = []string{name}
			}
			h.hv.set("vm", m)
			h.start(nil)
			s := h.awaitState("vm", Attached)
			if c.device != (s.Region == name) {
				t.Errorf("its region is %s", s.Region)
			}
			if regions, _ := h.files(); regions != 1 {
				t.Errorf("%d files", regions)
			}
			h.hv.set("vm", nil)
			h.awaitNothing()
		})
	}
}

// A machine that vanishes while QEMU is asked leaves nothing.
func TestMachineEndsWhileAttaching(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.whileAttaching("vm", nil)
	h.awaitNothing()
}

// One that is started anew while QEMU is asked has the device then, or gets another.
func TestMachineIsStartedAnewWhileAttaching(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{MinSize, 0} {
		h := newHost(t)
		h.whileAttaching("vm", &Machine{Run: "2", Size: size})
		if size > 0 {
			h.awaitState("vm", Attached)
			continue
		}
		h.await("the device's end", func() bool {
			h.hv.mu.Lock()
			defer h.hv.mu.Unlock()
			return len(h.hv.machines["vm"].Regions) == 0
		})
		h.awaitNothing()
	}
}

func TestVsockIsAttachedWhereTheHostHasIt(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.opt.Vsock = true
	h.hv.set("vm", optedIn("1"))
	h.await("an address", func() bool { return h.status("vm").CID == 101 })
	if name, ok := h.Known(101); !ok || name != "vm" {
		t.Errorf("Known(101) = %q, %v", name, ok)
	}
}

func TestMonitor(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := h.AttachMonitor("q/1", record.Monitor{Socket: "/x", Size: 3}); err == nil {
		t.Error("attached a region of 3 bytes")
	}
	if err := h.AttachMonitor("q/1", record.Monitor{Socket: "/x", Size: MinSize}); err != nil {
		t.Fatal(err)
	}
	if s := h.awaitState("q/1", Attached); s.QMP != "/x" {
		t.Errorf("status is %+v", s)
	}
	if err := h.AttachMonitor("q/1", record.Monitor{Socket: "/y", Size: MinSize}); err == nil {
		t.Error("attached twice")
	}
	h.hv.send(Event{Kind: Changed, Machine: "q/1"}) // libvirt's machine of that name is another
	h.awaitState("q/1", Attached)
}

func TestHypervisorAway(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.hv.set("vm", optedIn("1"))
	h.awaitState("vm", Attached)
	h.hv.send(Event{Kind: Disconnected, Reason: errors.New("it restarts")})
	if r := h.Report(); r.Hypervisor != "it restarts" || r.Machines[0].State != Attached {
		t.Errorf("report is %+v", r)
	}
	h.hv.do(func() { delete(h.hv.machines, "vm"); h.hv.machines["new"] = optedIn("2") })
	h.hv.send(Event{Kind: Connected, Running: []string{"new"}})
	h.awaitState("new", Attached)
	h.await("the machine's end", func() bool { return h.status("vm").Name == "" })
	if r := h.Report(); r.Hypervisor != "" {
		t.Errorf("report is %+v", r)
	}
}

// Whatever happens in whatever order, in the end each machine has what it is to have.
func TestRandomEvents(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	names := []string{"a", "b", "c"}
	for i := range 400 {
		name := names[rand.IntN(len(names))]
		switch rand.IntN(7) {
		case 0:
			h.hv.set(name, nil)
		case 1, 2:
			h.hv.set(name, optedIn(fmt.Sprint(i)))
		case 3:
			h.hv.set(name, &Machine{Run: fmt.Sprint(i)})
		case 4:
			h.hv.do(func() {
				if m := h.hv.machines[name]; m != nil {
					m.Size = MinSize - m.Size // opts in or out, untold
				}
			})
		case 5:
			h.hv.send(Event{Kind: EventKind(rand.IntN(2)), Machine: name})
		case 6:
			if s, err := h.Claim(h.nonce(name), 0); err == nil {
				defer s.Release()
			}
		}
	}
	want := 0
	for _, name := range names {
		h.hv.send(Event{Kind: Changed, Machine: name})
		h.hv.do(func() {
			if m := h.hv.machines[name]; m != nil && m.Size > 0 {
				want++
			}
		})
	}
	h.await("what machines are to have", func() bool {
		attached := 0
		for _, s := range h.Report().Machines {
			if s.State == Attached || s.State == Detached {
				attached++
			}
		}
		return attached == want
	})
	for _, name := range names {
		h.hv.set(name, nil)
	}
	h.awaitNothing()
}
