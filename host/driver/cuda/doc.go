// SPDX-License-Identifier: Apache-2.0

// Package cuda is the driver backend that runs on the real libcuda.so.1, opened at run time: building needs
// no NVIDIA header or library, and one binary runs with and without them.
//
// Every call goes through one C trampoline that takes its arguments as 64-bit words from a frame in C
// memory. A Thread owns a frame and is used by one goroutine, locked to its OS thread, since the driver keeps
// the current context per OS thread.
package cuda
