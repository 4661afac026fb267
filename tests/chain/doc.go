// SPDX-License-Identifier: Apache-2.0

// Package chain runs a whole pool for a test, as real processes: orion-controller, one or more oriond with
// software GPUs, and the client programs that the test starts. Everything lies in a temporary folder, on free
// ports, and is gone when the test ends; what is left behind then fails the test. A test binary that is killed
// leaves nothing either: a watchdog process sees its end.
//
// Programs and libraries are built once per test binary, from the working tree into build/test, or taken from
// the folder that ORION_TEST_BUILD names (with bin/ and lib/ in it), for machines without a compiler.
package chain
