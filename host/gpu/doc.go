// SPDX-License-Identifier: Apache-2.0

// Package gpu says what GPUs a node has.
//
// An Inventory lists them: package nvml asks the NVIDIA driver, Soft invents software GPUs from
// configuration, and package discover chooses between the two. This package itself depends on nothing but
// the standard library, so that drivers may share its identities.
package gpu
