// SPDX-License-Identifier: Apache-2.0

// Package libcudatest tests pieces of the guest's libcuda, each compiled with a program of testdata that
// drives it, under the address and undefined-behaviour sanitizers. The whole library is tested by the
// programs of tests/cuda.
package libcudatest
