// SPDX-License-Identifier: Apache-2.0

// Package machine boots virtual machines for tests, by virsh, as a person would. They belong to a libvirtd of its
// own: in a mount namespace with folders of its own in place of libvirt's, so that the machine's libvirt and its
// domains are neither seen nor needed, and in a namespace of processes that ends with this one, so that nothing is
// left, whatever happens to the test.
//
// Guests boot from the kernel that the script tests/vm/kernel fetches and an image in memory, in which vm-agent
// serves the test.
package machine
