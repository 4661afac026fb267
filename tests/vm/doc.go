// SPDX-License-Identifier: Apache-2.0

// Package vm tests Orion in virtual machines that virsh manages, with software GPUs on their host. TestOrion has one
// libvirtd and one pool; its parts are
//
//	ivshmem   a domain opts in and boots; every program of tests/cuda runs; killed, paused, saved, reset, destroyed
//	hotplug   running guests opt in (q35, pc), and out under a running program; a machine that cannot have the device
//	two       two guests at once, each after what belongs to the other
//	tcp       no shared memory: orion-relay, TCP alone
//	vsock     AF_VSOCK over a guest's loopback, and from a guest within a guest (ORION_TEST_NESTED=1)
//
// A guest has the client by its real installer. Variables:
//
//	ORION_TEST_BUILD    a folder with bin/ and lib/, in place of building
//	ORION_TEST_NESTED   1 has the guest within a guest boot: some ten minutes of emulation within emulation
package vm
