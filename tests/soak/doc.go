// SPDX-License-Identifier: Apache-2.0

// Package soak looks at what grows with time: memory and descriptors of a client, its worker and oriond, over
// many launches, allocations, objects and short processes. ORION_SOAK=full runs the long form: ten million
// launches, a million allocations, a thousand processes.
package soak
