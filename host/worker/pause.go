// SPDX-License-Identifier: Apache-2.0

package worker

// pause tells the processor that this is a spin: without it, a spinning worker takes half of a core from the
// client's thread when both share one.
func pause()
