// SPDX-License-Identifier: Apache-2.0

// Package nvmltest tests the guest's libnvidia-ml.so.1: that it exports what NVIDIA's does, and what it
// answers over a libcuda.so.1 that is made for the test.
package nvmltest
