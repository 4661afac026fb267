// SPDX-License-Identifier: Apache-2.0

// Package vm tests Orion in virtual machines that virsh manages, with software GPUs on their host. Each test has a
// libvirtd, guests and a pool of its own; what is slow to start is shared by subtests.
package vm
