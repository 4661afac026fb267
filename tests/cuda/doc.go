// SPDX-License-Identifier: Apache-2.0

// Package cuda builds and runs real CUDA programs, each of which checks its own
// results. The sources are in programs/, one idea each; the comments at the head
// of a source say how it is built and what is expected of it (see Program).
package cuda
