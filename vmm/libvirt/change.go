// SPDX-License-Identifier: Apache-2.0

package libvirt

// Change tells what Enable or Disable did.
type Change struct {
	Running bool   // the domain runs, and oriond hears of it
	Advice  string // what the domain's XML lacks for the device to be attached; empty: nothing
}

// Domain is a domain that opted in, running or not.
type Domain struct {
	Name    string
	UUID    string
	Running bool
	Size    uint64 // bytes of its region
	Node    string
	Fault   error // why its opting in cannot be understood
}
