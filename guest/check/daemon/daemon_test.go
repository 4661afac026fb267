// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orion-vgpu/orion/proto/wire"
)

// serve answers one connection.
func serve(t *testing.T, network, address string, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		answer(conn)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestAsk(t *testing.T) {
	t.Parallel()
	welcome := func(c net.Conn) {
		b := make([]byte, wire.HelloSize)
		var h wire.Hello
		if _, err := io.ReadFull(c, b); err != nil || h.UnmarshalBinary(b) != nil || h.VGPUs != 0 || h.Carrier != wire.CarrierDevice || h.Version != wire.Version {
			t.Errorf("asked with %+v, %v", h, err)
		}
		w := wire.Welcome{Version: 9, Spec: 5, Release: "7.8", Status: 1, Message: "none"}
		b, err := w.MarshalBinary()
		if err != nil {
			t.Error(err)
		}
		c.Write(b)
	}
	for _, c := range []struct {
		name   string
		answer func(net.Conn)
		err    string
	}{
		{"oriond", welcome, ""},
		{"hangs up", func(net.Conn) {}, "oriond"},
		{"something else", func(c net.Conn) { io.WriteString(c, strings.Repeat("HTTP/1.1 400 Bad Request\r\n", 40)) }, "the peer is not oriond"},
		{"says little", func(c net.Conn) { c.Write(make([]byte, 7)); io.CopyN(io.Discard, c, wire.HelloSize) }, "read oriond's answer"},
		{"says nothing", func(c net.Conn) { io.Copy(io.Discard, c) }, "timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			a, err := Ask(t.Context(), TCP, serve(t, "tcp", "127.0.0.1:0", c.answer), wire.CarrierDevice)
			if c.err == "" && (err != nil || a != Answer{Release: "7.8", Protocol: 9, Commands: 5, Status: Asked, Message: "none"}) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %+v, %v", a, err)
			}
			if d := time.Since(start); d > 3*Timeout {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func TestPeer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	if len(path) > 107 {
		t.Skip("the temporary folder's path is too long for a socket")
	}
	serve(t, "unix", path, func(net.Conn) {})
	if a, err := Ask(t.Context(), Unix, path, wire.CarrierMemory); err == nil || a.PID != os.Getpid() {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err := Ask(t.Context(), Unix, path+"x", wire.CarrierMemory); !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

// TestVSock sees that a machine without a host that answers is told so soon.
func TestVSock(t *testing.T) {
	t.Parallel()
	start := time.Now()
	if a, err := Ask(t.Context(), VSock, "1", wire.CarrierDevice); err == nil {
		t.Skipf("a host answers on vsock port 1: %+v", a)
	}
	if d := time.Since(start); d > 3*Timeout {
		t.Errorf("it took %v", d)
	}
	if _, err := Ask(t.Context(), VSock, "none", wire.CarrierDevice); err == nil {
		t.Error("there is a port none")
	}
}
