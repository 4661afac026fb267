// SPDX-License-Identifier: Apache-2.0

// Command vm-image writes the initial file system of a guest that is booted by hand: the system of test guests, and
// files that are named. The guest runs a command when it starts, prints its output on the console, and powers off.
//
//	vm-image -kernel DIR -agent FILE -command TEXT [-program FILE]... FILE... >IMAGE
//
// Files come into /root; programs too, with the shared libraries that they need.
package main

import (
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/orion-vgpu/orion/tests/vm/initramfs"
	"github.com/orion-vgpu/orion/tests/vm/machine"
)

func main() {
	kernel := flag.String("kernel", "", "the folder that tests/vm/kernel prints")
	agent := flag.String("agent", "", "the program vm-agent")
	command := flag.String("command", "sh", "what the guest runs, by sh")
	var programs []string
	flag.Func("program", "a program to take along with its libraries", func(name string) error {
		programs = append(programs, name)
		return nil
	})
	flag.Parse()
	im, err := machine.Kernel{Dir: *kernel}.BaseImage(*agent)
	if err == nil {
		err = add(im, *command, programs, flag.Args())
	}
	if err == nil {
		err = write(im)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm-image:", err)
		os.Exit(1)
	}
}

func add(im *initramfs.Image, command string, programs, files []string) error {
	for _, name := range programs {
		if err := im.Program("/root/"+filepath.Base(name), name); err != nil {
			return err
		}
	}
	for _, name := range files {
		if err := im.Copy("/root/"+filepath.Base(name), name); err != nil {
			return err
		}
	}
	im.File("/etc/command", 0o755, []byte("#!/bin/sh\nexport HOME=/root\ncd /root\n"+command+"\nsync\npoweroff -f\n"))
	im.File("/etc/inittab", 0o644, []byte("::sysinit:/etc/start\n::once:/etc/command\n"))
	return nil
}

// write compresses the image: a guest is often carried to another machine.
func write(im *initramfs.Image) error {
	z := gzip.NewWriter(os.Stdout)
	if err := im.Write(z); err != nil {
		return err
	}
	return z.Close()
}
