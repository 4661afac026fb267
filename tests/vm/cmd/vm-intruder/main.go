// SPDX-License-Identifier: Apache-2.0

// Command vm-intruder does in a guest what its root could do to reach what is not its own: memory of other guests and
// of their host. It prints what came of it.
//
//	vm-intruder nonce            print the nonce in the guest's own device
//	vm-intruder claim NONCE      ask oriond for a slice by that nonce; print the status and the reason
//	vm-intruder write HEX        leave bytes in the device
//	vm-intruder find HEX         look for bytes in all of the device; print how often they are there
//	vm-intruder beyond           map the device beyond its end
//	vm-intruder scribble TIME    write random bytes all over the device, for so long
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orion-vgpu/orion/proto/cuda"
	"github.com/orion-vgpu/orion/proto/wire"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vm-intruder:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do")
	}
	d, err := open()
	if err != nil {
		return err
	}
	var value string
	if len(args) > 1 {
		value = args[1]
	}
	switch args[0] {
	case "nonce":
		fmt.Println(hex.EncodeToString(d.nonce()))
		return nil
	case "claim":
		return d.claim(value)
	case "write":
		return d.write(value)
	case "find":
		return d.find(value)
	case "beyond":
		return d.beyond()
	case "scribble":
		return d.scribble(value)
	}
	return fmt.Errorf("%s is unknown", args[0])
}

// device is the guest's ivshmem device, all of it mapped.
type device struct {
	file *os.File
	mem  []byte
}

func open() (*device, error) {
	all, err := filepath.Glob("/sys/bus/pci/devices/*")
	if err != nil {
		return nil, err
	}
	for _, dir := range all {
		id, err := os.ReadFile(dir + "/device")
		if err != nil || strings.TrimSpace(string(id)) != "0x1110" {
			continue
		}
		file, err := os.OpenFile(dir+"/resource2", os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		mem, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("map the device: %w", err)
		}
		return &device{file, mem}, nil
	}
	return nil, errors.New("there is no ivshmem device")
}

func (d *device) nonce() []byte {
	return bytes.Clone(d.mem[wire.DomNonce : wire.DomNonce+wire.NonceBytes])
}

// claim says hello by the way that clients take without vsock.
func (d *device) claim(nonce string) error {
	proof, err := hex.DecodeString(nonce)
	if err != nil || len(proof) != wire.NonceBytes {
		return fmt.Errorf("nonce is %q: want %d bytes in hexadecimal", nonce, wire.NonceBytes)
	}
	port := binary.LittleEndian.Uint32(d.mem[wire.DomPort:])
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("10.0.2.2:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	hello := wire.Hello{Version: wire.Version, Spec: uint64(cuda.SpecHash), PID: uint32(os.Getpid()), VGPUs: 1, GMemMiB: 16,
		Carrier: wire.CarrierDevice, Base: wire.DefaultBase, Program: "vm-intruder", Host: "guest",
		Proof: [wire.ProofBytes]byte(proof)}
	b, err := hello.MarshalBinary()
	if err != nil {
		return err
	}
	if _, err := conn.Write(b); err != nil {
		return err
	}
	var welcome wire.Welcome
	if _, err := io.ReadFull(conn, b); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err := welcome.UnmarshalBinary(b); err != nil {
		return err
	}
	fmt.Println(welcome.Status, welcome.Message)
	return nil
}

// write leaves them behind what oriond and programs use at the time.
func (d *device) write(text string) error {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) == 0 || len(b) > wire.PageSize {
		return fmt.Errorf("text is %q: want at most a page in hexadecimal", text)
	}
	copy(d.mem[len(d.mem)-wire.PageSize:], b)
	return nil
}

func (d *device) find(pattern string) error {
	wanted, err := hex.DecodeString(pattern)
	if err != nil || len(wanted) == 0 {
		return fmt.Errorf("pattern is %q: want bytes in hexadecimal", pattern)
	}
	fmt.Println(bytes.Count(d.mem, wanted))
	return nil
}

// beyond tries pages that follow the device's own.
func (d *device) beyond() error {
	for _, offset := range []int64{int64(len(d.mem)), int64(len(d.mem)) + 1<<20, 1 << 40} {
		_, err := unix.Mmap(int(d.file.Fd()), offset, 1<<16, unix.PROT_READ, unix.MAP_SHARED)
		if err == nil {
			return fmt.Errorf("%d bytes at %#x, beyond the device, could be mapped", 1<<16, offset)
		}
		fmt.Println(err)
	}
	_, err := unix.Mmap(int(d.file.Fd()), 0, len(d.mem)+1<<16, unix.PROT_READ, unix.MAP_SHARED)
	if err == nil {
		return errors.New("more than the device could be mapped")
	}
	fmt.Println(err)
	return nil
}

// scribble favours the places where lengths, indices and handles are.
func (d *device) scribble(duration string) error {
	limit, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	const page, slice = wire.PageSize, 1 << 20
	writes := 0
	for end := time.Now().Add(limit); time.Now().Before(end); writes++ {
		at := rand.IntN(len(d.mem) - 8)
		switch rand.IntN(3) {
		case 0: // the header of the domain, and of the slice behind it
			at = rand.IntN(wire.SliceOffset + page)
		case 1: // the beginning of what may be a slice
			at = wire.SliceOffset + rand.IntN(len(d.mem)/slice-1)*slice + rand.IntN(4*page)
		}
		binary.LittleEndian.PutUint64(d.mem[at&^7:], rand.Uint64()>>rand.IntN(64))
	}
	fmt.Println(writes, "words written")
	return nil
}
