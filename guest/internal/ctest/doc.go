// SPDX-License-Identifier: Apache-2.0

// Package ctest builds the guest's C code for tests, and looks into the libraries that come of it.
//
// Everything is built in the test's temporary folder, from the rules that the release is built by. Tests skip
// where no C compiler is installed.
package ctest
