// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/driver"
)

// mailbox is a worker's end of a socket, and the client's.
func mailbox(t *testing.T) (*mail, int) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	m := newMail(ends[0])
	t.Cleanup(func() {
		m.drop()
		unix.Close(ends[0])
		unix.Close(ends[1])
	})
	return m, ends[1]
}

// sent is a file of some pages whose first byte is mark, sent to a mailbox.
func sent(t *testing.T, client int, pages int64, mark byte) unix.Stat_t {
	t.Helper()
	fd, err := unix.MemfdCreate("mail-test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, pages*4096); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Pwrite(fd, []byte{mark}, 0); err != nil {
		t.Fatal(err)
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendmsg(client, []byte{1}, unix.UnixRights(fd), nil, 0); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMail(t *testing.T) {
	t.Parallel()
	m, client := mailbox(t)
	if fd := m.take(); fd >= 0 {
		t.Fatal("a file has come from nowhere")
	}
	if _, err := unix.Write(client, make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	first := sent(t, client, 1, 1)
	second := sent(t, client, 2, 2)
	for n := 1; n > 0; {
		n, _ = m.read()
	}
	fd := m.take()
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil || s.Ino != second.Ino || s.Ino == first.Ino {
		t.Errorf("file %d came, %v; want the newest, %d", s.Ino, err, second.Ino)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Error("the file is inherited by programs that are started")
	}
	unix.Close(fd)
	if fd := m.take(); fd >= 0 {
		t.Error("a file is taken twice")
	}
}

func TestHostMap(t *testing.T) {
	t.Parallel()
	s, f := fakeServer(anyRegion(t))
	defer close(s.waiters.jobs)
	var client int
	s.mail, client = mailbox(t)
	const at = 0x5400_0000_0000
	for name, c := range map[string]struct{ at, bytes, offset, other uint64 }{
		"another file":       {at, 4096, 0, 1},
		"beyond its end":     {at, 4096, 4 * 4096, 0},
		"more than it has":   {at, 5 * 4096, 0, 0},
		"a part of a page":   {at, 100, 0, 0},
		"inside a page":      {at + 8, 4096, 0, 0},
		"nothing":            {at, 0, 0, 0},
		"an offset too far":  {at, 4096, 1 << 63, 0},
		"a size beyond most": {at, 1 << 63, 0, 0},
	} {
		file := sent(t, client, 4, 42)
		if _, _, r := s.onHostMap(f, c.at, c.bytes, c.offset, uint64(file.Dev), file.Ino+c.other); r == driver.Success {
			t.Errorf("%s is mapped", name)
		}
	}
	file := sent(t, client, 4, 42)
	host, _, r := s.onHostMap(f, at, 8192, 0, uint64(file.Dev), file.Ino)
	if r != driver.Success || host != at {
		t.Fatalf("onHostMap = %#x, %v", host, r)
	}
	if got := *(&region{base: at}).bytePointer(0); got != 42 {
		t.Errorf("the file shows %d, want 42", got)
	}
	for _, c := range []struct {
		p  driver.HostPtr
		n  uint64
		ok bool
	}{{at, 8192, true}, {at + 8000, 192, true}, {at, 8193, false}, {at + 8192, 1, false}, {at - 1, 1, false}, {at + 1, ^uint64(0), false}} {
		if s.hosts(c.p, c.n) != c.ok {
			t.Errorf("hosts(%#x, %d) = %v", uint64(c.p), c.n, !c.ok)
		}
	}
	if r := s.onHostUnmap(f, at+4096); r == driver.Success {
		t.Error("a part is unmapped")
	}
	if r := s.onHostUnmap(f, at); r != driver.Success || s.hosts(at, 1) {
		t.Errorf("onHostUnmap gives %v", r)
	}
}

// A copy in a graph may still go to memory that was unmapped: nothing of the worker's may lie there by then.
func TestUnmappedAddressStaysTaken(t *testing.T) {
	t.Parallel()
	s, f := fakeServer(anyRegion(t))
	defer close(s.waiters.jobs)
	defer f.tidy()
	var client int
	s.mail, client = mailbox(t)
	const at = 0x5500_0000_0000
	mapped := func(at uint64) uint64 {
		file := sent(t, client, 4, 42)
		host, _, r := s.onHostMap(f, at, 8192, 0, uint64(file.Dev), file.Ino)
		if r != driver.Success {
			t.Fatal(r)
		}
		return host
	}
	for _, want := range []uint64{at, at + 4096, at - 4096, at} { // also over a part of what was
		if host := mapped(want); host != want {
			t.Errorf("the client gets %#x, and wants %#x, which is its own", host, want)
		}
		s.onHostUnmap(f, want)
		if reserve(span{want, want + 8192}, fixedNoReplace) {
			t.Fatalf("%#x is free for others", want)
		}
	}
	if spans := f.memory.vacant.spans; len(spans) != 1 || spans[0] != (span{at - 4096, at + 3*4096}) {
		t.Errorf("vacant are %x", spans)
	}
	other := span{at + 3*4096, at + 4*4096}
	if !reserve(other, fixedNoReplace) {
		t.Fatal("the test has no address")
	}
	defer unmap(other.from, 4096)
	if host := mapped(at + 2*4096); host == at+2*4096 {
		t.Error("a file takes the place of something else")
	} else {
		s.onHostUnmap(f, host)
	}
}

// contextual notes in which contexts memory is registered.
type contextual struct {
	*fakeDriver
	current    driver.Context
	registered []driver.Context
}

func (c *contextual) CtxSetCurrent(x driver.Context) driver.Result {
	c.current = x
	return driver.Success
}

func (c *contextual) MemHostRegister(p driver.HostPtr, n uint64, flags uint32) driver.Result {
	c.registered = append(c.registered, c.current)
	return c.fakeDriver.MemHostRegister(p, n, flags)
}

// TestHostMapWithoutContext: memory of no context's is registered in the session's own, which does not stay current.
func TestHostMapWithoutContext(t *testing.T) {
	t.Parallel()
	s, f := fakeServer(anyRegion(t))
	defer close(s.waiters.jobs)
	defer f.tidy()
	var client int
	s.mail, client = mailbox(t)
	s.home = 7
	c := &contextual{fakeDriver: f}
	for i, current := range []driver.Context{0, 9} {
		s.current, c.current = current, current
		file := sent(t, client, 1, 42)
		host, _, r := s.onHostMap(c, 0x5600_0000_0000, 4096, 0, uint64(file.Dev), file.Ino)
		if r != driver.Success {
			t.Fatal(r)
		}
		if want := max(current, s.home); len(c.registered) != i+1 || c.registered[i] != want || c.current != current {
			t.Errorf("with context %d: registered in %v, want %d, and %d is current", current, c.registered, want, c.current)
		}
		if r := s.onHostUnmap(c, host); r != driver.Success || c.current != current {
			t.Errorf("with context %d: onHostUnmap gives %v, and %d is current", current, r, c.current)
		}
	}
}
