// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/host/worker"
	"github.com/orion-vgpu/orion/proto/wire"
)

// The test binary is oriond when it is called so, and a worker that answers and waits when that oriond starts
// one: these tests are about what lies around the worker.
func TestMain(m *testing.M) {
	if os.Args[0] != "oriond" {
		os.Exit(m.Run())
	}
	if conf, ok := os.LookupEnv(worker.ConfigEnv); ok {
		testWorker(conf)
	}
	main()
	os.Exit(0)
}

func testWorker(text string) {
	var conf worker.Config
	if err := json.Unmarshal([]byte(text), &conf); err != nil {
		panic(err)
	}
	w := wire.Welcome{Version: wire.Version, Size: conf.RegionSize, Base: conf.RegionBase, Devices: uint32(len(conf.VGPUs)), Session: conf.Session}
	b, err := w.MarshalBinary()
	if err != nil {
		panic(err)
	}
	c, err := net.FileConn(os.NewFile(worker.SocketFD, "socket"))
	if err != nil {
		panic(err)
	}
	conn := c.(*net.UnixConn)
	if _, _, err := conn.WriteMsgUnix(b, unix.UnixRights(worker.RegionFD), nil); err != nil {
		panic(err)
	}
	syscall.Close(worker.SocketFD)
	conn.Read(make([]byte, 1))
	syscall.Exit(0)
}
