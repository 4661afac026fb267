// SPDX-License-Identifier: Apache-2.0

// Package libvirt watches and changes the virtual machines that libvirt manages. It changes only those that
// opted in, by an element of Orion's in their metadata.
//
// libvirt is loaded when it is first used (build tag libvirt_dlopen), so that one oriond runs on machines with
// and without it. Without the tag New returns a Hypervisor that says so.
package libvirt

// DefaultURI is where libvirt keeps the machines of a host.
const DefaultURI = "qemu:///system"
