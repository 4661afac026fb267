// SPDX-License-Identifier: Apache-2.0

// Package ivshmem keeps the memory that one virtual machine shares with its host: a file under /dev/shm, which
// QEMU shows to the guest as a PCI device (1af4:1110).
//
// Page 0 speaks to the guest (package wire, device.go); the rest is cut into slices, one for each client
// process. The guest may write to all of it at any time: nothing in the file is ever read back here, and the
// file is never mapped here, so that nobody who truncates it can harm oriond.
package ivshmem
