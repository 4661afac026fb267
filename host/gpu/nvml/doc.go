// SPDX-License-Identifier: Apache-2.0

// Package nvml lists the NVIDIA GPUs of a node through the NVIDIA Management Library.
//
// The library is opened at run time: a binary with this package runs where there is no driver. Programs that
// link it need -ldflags '-extldflags=-Wl,-z,lazy', since the library's symbols are resolved at first use.
//
// MIG instances are not listed; a GPU in MIG mode appears as the one device that it is.
package nvml
