// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/orion-vgpu/orion/guest/check/daemon"
	"github.com/orion-vgpu/orion/guest/check/system"
	"github.com/orion-vgpu/orion/proto/wire"
)

// status is what orionds refuse with.
var status atomic.Uint32

// oriond answers hellos as oriond does that have no vGPUs in them, until the test ends.
func oriond(t *testing.T, network, address string) (at net.Addr) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			var h wire.Hello
			b := make([]byte, wire.HelloSize)
			if _, err := io.ReadFull(conn, b); err != nil || h.UnmarshalBinary(b) != nil || h.VGPUs != 0 {
				t.Errorf("oriond reads %+v, %v", h, err)
			}
			w := wire.Welcome{Version: wire.Version, Spec: 5, Release: "7.8", Status: status.Load(), Message: "in words"}
			if b, err = w.MarshalBinary(); err == nil {
				conn.Write(b)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr()
}

// write makes a file with folders above it.
func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGather(t *testing.T) {
	root, err := os.MkdirTemp("", "check") // short: a socket's path must fit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	status.Store(daemon.Asked)
	tcp := oriond(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(tcp.String())
	number, _ := strconv.Atoi(port)

	device := make([]byte, 1<<20)
	binary.LittleEndian.PutUint64(device[wire.DomMagic:], wire.DeviceMagic)
	binary.LittleEndian.PutUint32(device[wire.DomVersion:], wire.Version)
	binary.LittleEndian.PutUint32(device[wire.DomPort:], uint32(number))
	copy(device[wire.DomAddress:], "127.0.0.1")
	const pci = "/sys/bus/pci/devices/0000:00:05.0"
	for path, text := range map[string][]byte{
		"/etc/group": []byte("orion:x:990:bob\n"), "/proc/cpuinfo": []byte("flags : hypervisor\n"),
		pci + "/vendor": []byte("0x1af4\n"), pci + "/device": []byte("0x1110\n"), pci + "/resource2": device,
		pci + "/resource": []byte("0 0 0\n0 0 0\n0xfe000000 0xfe0fffff 0\n"),
	} {
		write(t, root+path, text)
	}
	conf := filepath.Join(root, "client.conf")
	write(t, conf, []byte("[client]\nsocket = /o.sock\nrelay_socket = /r.sock\n[controller]\ncontroller_addr = 127.0.0.1:1\n"))
	s := &system.System{Root: root, Lookup: func(name string) (string, bool) { return map[string]string{"ORION_VGPU": "2"}[name], true },
		User: system.User{Name: "bob", UID: uint32(os.Getuid()) + 1, GIDs: []uint32{990}, Home: "/home/bob"}}

	f := Gather(t.Context(), s, Options{Config: conf})
	if f.ConfigErr != nil || f.DemandErr != nil || f.Demand.VGPUs != 2 || f.ControllerSet != conf+":5" || f.PoolErr == nil {
		t.Errorf("got %+v", f)
	}
	if !f.Virtual || !f.Group || !f.InGroup || !f.GroupInUse || f.Libc.Err == nil || f.Library.Path != "" {
		t.Errorf("got %+v", f)
	}
	if !errors.Is(f.Daemon.Err, fs.ErrNotExist) || f.Daemon.Exists || f.Relay.Exists {
		t.Errorf("oriond %+v, relay %+v", f.Daemon, f.Relay)
	}
	if d := f.Device(); d == nil || !errors.Is(d.Denied, fs.ErrPermission) || len(d.Speeds) != 1 || f.Measure != nil {
		t.Errorf("device %+v", d)
	}
	if !f.TCP.Answers() || f.TCP.Answer.Release != "7.8" || f.TCP.Address != tcp.String() {
		t.Errorf("TCP %+v", f.TCP)
	}
	if f.Carrier() != "" { // bob may not use the device
		t.Errorf("carrier %q", f.Carrier())
	}
	s.User.UID--
	if f = Gather(t.Context(), s, Options{Config: conf}); f.Carrier() != "ivshmem device" {
		t.Errorf("carrier %q", f.Carrier())
	}

	oriond(t, "unix", root+"/o.sock")
	oriond(t, "unix", root+"/r.sock")
	f = Gather(t.Context(), s, Options{Config: conf})
	if f.Carrier() != "shared memory of this host" || f.Daemon.Answer.PID != os.Getpid() || !f.Relay.Answers() || f.Daemon.Answer.Commands != 5 {
		t.Errorf("carrier %q, oriond %+v", f.Carrier(), f.Daemon)
	}
	// A relay that reaches nobody says so with its answer.
	if err := os.Remove(root + "/r.sock"); err != nil {
		t.Fatal(err)
	}
	status.Store(100)
	oriond(t, "unix", root+"/r.sock")
	if f = Gather(t.Context(), s, Options{Config: conf}); f.Relay.Answers() || f.Relay.Err.Error() != "in words" || !f.Daemon.Answers() {
		t.Errorf("relay %+v", f.Relay)
	}
	status.Store(daemon.Asked)

	s.User.UID++
	if err := os.Chmod(root+"/o.sock", 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root+"/r.sock", 0o666); err != nil {
		t.Fatal(err)
	}
	if f = Gather(t.Context(), s, Options{Config: conf}); !f.Daemon.Denied || f.Carrier() != "orion-relay" {
		t.Errorf("carrier %q, oriond %+v", f.Carrier(), f.Daemon)
	}

	write(t, conf, []byte("[client]\nsocked = 1\n"))
	if f = Gather(t.Context(), s, Options{Config: conf}); f.ConfigErr == nil || f.Daemon.Address != "" {
		t.Errorf("of a wrong file: %v, %+v", f.ConfigErr, f.Daemon)
	}
}
