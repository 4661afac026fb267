// SPDX-License-Identifier: Apache-2.0

package vmm

import (
	"context"

	"github.com/orion-vgpu/orion/vmm/ivshmem"
)

// Hypervisor runs virtual machines: libvirt, or a QEMU that libvirt does not manage. Its methods are safe for
// concurrent use, and end when their context does.
type Hypervisor interface {
	// Watch tells what happens to machines until ctx is over, or until there can be no more. It connects again
	// by itself. tell does not block.
	Watch(ctx context.Context, tell func(Event))

	// Machine returns the facts of a machine that runs. ErrGone: it does not.
	Machine(ctx context.Context, name string) (Machine, error)

	// Attach shows a region, whose file is there, to the guest. A *HotplugError: this run of the machine
	// cannot have it.
	Attach(ctx context.Context, name string, d Device) error

	// Detach asks the guest to let go of a region. A Changed event follows when it has.
	Detach(ctx context.Context, name string, d Device) error

	// AttachVsock gives the guest a vsock device, with an address that the host chooses.
	AttachVsock(ctx context.Context, name string) error
}

// Device is the ivshmem device of a region.
type Device struct {
	Region string // name of the file in ivshmem.Dir
	Size   uint64 // bytes
}

// Machine is what is known of a running virtual machine.
type Machine struct {
	Name    string
	UUID    string
	Run     string   // another one after each start
	Size    uint64   // of the region that it opted in to, in bytes; 0: it did not opt in
	Fault   error    // why its opting in cannot be understood
	Node    string   // of the oriond that is to serve it; empty: any
	Regions []string // that it has a device for, by name
	CID     uint32   // vsock address; 0: none
	Stream  bool     // it can have no region; its programs come by a stream
	Vsock   bool     // it has a vsock device, or can have none
	Access  ivshmem.Access
}

// EventKind is what happened.
type EventKind int

// Kinds of events. They tell that it is time to look, and not what will be seen.
const (
	Changed      EventKind = iota // started, stopped, or another device or opting in
	Rebooted                      // the guest began anew in the same process
	Connected                     // the hypervisor answers; Running names its machines
	Disconnected                  // it does not answer; Reason says why
)

// Event is news of a machine or of the hypervisor.
type Event struct {
	Kind    EventKind
	Machine string
	Running []string
	Reason  error
}

// HotplugError says that a machine cannot be given a device while it runs, and what to do about that.
type HotplugError struct {
	Err    error
	Advice string
}

func (e *HotplugError) Error() string { return e.Err.Error() + "; " + e.Advice }

func (e *HotplugError) Unwrap() error { return e.Err }
