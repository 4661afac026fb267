// SPDX-License-Identifier: Apache-2.0

package libcudatest

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/guest/internal/ctest"
	"github.com/orion-vgpu/orion/proto/wire"
)

func buildWays(t *testing.T) string {
	t.Helper()
	return ctest.Program(t, ctest.Compilers(t)[0], "address,undefined", "testdata/ways.c", "../dial.c", "../ivshmem.c", "../mapping.c")
}

// pciDevice is what the kernel shows of an ivshmem device.
type pciDevice map[string]string

func device(size int64, page map[int]uint64) pciDevice {
	bar := func(first, last uint64) string { return fmt.Sprintf("0x%016x 0x%016x 0x%016x\n", first, last, 0) }
	b := make([]byte, size)
	for at, v := range page {
		binary.LittleEndian.PutUint64(b[at:], v)
	}
	return pciDevice{"vendor": "0x1af4\n", "device": "0x1110\n", "resource2": string(b),
		"resource": bar(1<<32, 1<<32+255) + bar(0, 0) + bar(1<<40, 1<<40+uint64(size)-1) + bar(0, 0)}
}

func (d pciDevice) with(file, text string) pciDevice {
	out := pciDevice{}
	for k, v := range d {
		out[k] = v
	}
	out[file] = text
	return out
}

// good is the first page of a device of oriond's.
func good() map[int]uint64 {
	const version, port = wire.Version, 9960
	return map[int]uint64{wire.DomMagic: wire.DeviceMagic, wire.DomVersion: version | port<<32, wire.DomNonce: 0xab,
		wire.DomNonce + 24: 0xcd << 56, wire.DomAddress: binary.LittleEndian.Uint64([]byte("10.0.2.2")),
		wire.SliceOffset: 0x1234}
}

func TestFindDevice(t *testing.T) {
	t.Parallel()
	program := buildWays(t)
	const size = 64 << 20
	ours := device(size, good())
	old := good()
	old[wire.DomVersion] = 77
	// Not the address that sessions have, which is where the sanitizer has its heap.
	slice := []string{"map", "0x500000000000", fmt.Sprint(wire.SliceOffset), fmt.Sprint(32 << 20)}
	for _, c := range []struct {
		name    string
		devices map[string]pciDevice
		args    []string
		want    string
	}{
		{"no folder", nil, nil, "error: there is none"},
		{"others' devices", map[string]pciDevice{"0000:00:01.0": ours.with("vendor", "0x8086\n"), "0000:00:02.0": {}}, nil, "error: there is none"},
		{"found among others", map[string]pciDevice{"0000:00:01.0": ours.with("device", "0x1041\n"), "0000:00:03.0": device(1<<20, nil), "0000:00:05.0": ours},
			nil, "0000:00:05.0 size=0x4000000 port=9960 address=10.0.2.2 nonce=abcd"},
		{"not oriond's", map[string]pciDevice{"0000:00:03.0": device(1<<20, nil)}, nil, "error: 0000:00:03.0 is not oriond's"},
		{"switched off", map[string]pciDevice{"0000:00:03.0": ours.with("resource2", strings.Repeat("\xff", 4096))}, nil, "grant-device"},
		{"another release", map[string]pciDevice{"0000:00:03.0": device(1<<20, old)}, nil, "speaks protocol 77"},
		{"a slice", map[string]pciDevice{"0000:00:05.0": ours}, slice, "base=0x500000000000 first=0x1234 measured"},
		{"a slice that sticks out", map[string]pciDevice{"0000:00:05.0": ours}, append(slice[:3:3], fmt.Sprint(64<<20)), "does not lie in"},
		{"a slice of the first page", map[string]pciDevice{"0000:00:05.0": ours}, []string{"map", slice[1], "0", slice[3]}, "does not lie in"},
		{"an offset beyond all", map[string]pciDevice{"0000:00:05.0": ours}, []string{"map", slice[1], "0xfffffffffffff000", slice[3]}, "does not lie in"},
		{"too small a slice", map[string]pciDevice{"0000:00:05.0": ours}, append(slice[:3:3], fmt.Sprint(16<<20)), "of no use"},
		{"no table", map[string]pciDevice{"0000:00:05.0": ours.with("resource", "")}, slice, "which has 0"},
		{"a spoilt table", map[string]pciDevice{"0000:00:05.0": ours.with("resource", "0x0 0x0 0x0\n0x1\n")}, slice, "which has 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "devices")
			for name, files := range c.devices {
				for file, text := range files {
					write(t, filepath.Join(dir, name, file), text)
				}
			}
			args := c.args
			if args == nil {
				args = []string{"find"}
			}
			if got, _ := ctest.Run(t, program, []string{"ORION_PCI_DIR=" + dir}, args...); !strings.Contains(got, c.want) {
				t.Errorf("got %swant %s", got, c.want)
			}
		})
	}
	if os.Geteuid() != 0 {
		t.Run("no permission", func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range ours {
				write(t, filepath.Join(dir, "0000:00:05.0", file), text)
			}
			if err := os.Chmod(filepath.Join(dir, "0000:00:05.0", "resource2"), 0); err != nil {
				t.Fatal(err)
			}
			if got, _ := ctest.Run(t, program, []string{"ORION_PCI_DIR=" + dir}, "find"); !strings.Contains(got, "join the group orion") {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestDial(t *testing.T) {
	t.Parallel()
	program := buildWays(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	port := fmt.Sprint(tcp.Addr().(*net.TCPAddr).Port)
	path := filepath.Join(t.TempDir(), "s")
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"tcp", "127.0.0.1", port}, "connected"},
		{[]string{"tcp", "127.0.0.1", "1"}, "error: Connection refused"},
		{[]string{"tcp", "localhost", port}, "error: it is not an IP address"},
		{[]string{"unix", path}, "connected"},
		{[]string{"unix", path + "x"}, "error: No such file or directory"},
		{[]string{"unix", "/" + strings.Repeat("x", 200)}, "error: the path is too long"},
		{[]string{"host", "1"}, "error: "},
	} {
		if got, _ := ctest.Run(t, program, nil, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("%v: got %swant %s", c.args, got, c.want)
		}
	}
}

// A peer that does not answer costs two seconds.
func TestDialIsBounded(t *testing.T) {
	t.Parallel()
	program := buildWays(t)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil { // a queue of one, which this fills
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*unix.SockaddrInet4).Port
	for range 4 {
		if c, err := net.DialTimeout("tcp", fmt.Sprint("127.0.0.1:", port), 100*time.Millisecond); err == nil {
			defer c.Close()
		}
	}
	start := time.Now()
	got, _ := ctest.Run(t, program, nil, "tcp", "127.0.0.1", fmt.Sprint(port))
	if took := time.Since(start); !strings.Contains(got, "timed out") || took < time.Second || took > 10*time.Second {
		t.Errorf("after %v: %s", took, got)
	}
}

// The gateway is the one that the kernel's table names.
func TestGateway(t *testing.T) {
	t.Parallel()
	got, _ := ctest.Run(t, buildWays(t), nil, "gateway")
	table, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Skipf("no routing table: %v", err)
	}
	want := "none\n"
	for _, line := range strings.Split(string(table), "\n")[1:] {
		var name string
		var to, by, flags uint32
		if n, _ := fmt.Sscanf(line, "%s %x %x %x", &name, &to, &by, &flags); n == 4 && to == 0 && by != 0 && flags&2 != 0 {
			want = net.IP(binary.LittleEndian.AppendUint32(nil, by)).String() + "\n"
			break
		}
	}
	if got != want {
		t.Errorf("gateway %q, want %q", got, want)
	}
}
