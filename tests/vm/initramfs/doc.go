// SPDX-License-Identifier: Apache-2.0

// Package initramfs makes the file system that a test guest boots from: an archive in the form that Linux unpacks
// into memory, programs with the libraries that they need, and a kernel's modules in the order of their needs.
package initramfs
