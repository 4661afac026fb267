// SPDX-License-Identifier: Apache-2.0

// Package mem is the memory of software GPUs: which addresses exist, and who allocated them.
//
// A device pointer is the address of real memory of this process, so that a kernel's access is a check and a
// load. A Space knows every range that kernels may touch, of all GPUs and of registered host memory, as an
// immutable sorted table that readers get without a lock. A Device hands out ranges of one GPU from a large
// reservation that takes memory only as it is used.
package mem
