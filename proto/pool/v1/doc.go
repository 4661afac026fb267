// SPDX-License-Identifier: Apache-2.0

// Package poolv1 is the generated code of the control-plane service, and the version of its protocol.
package poolv1

//go:generate ../generate

// Protocol is the version of this protocol. It changes when an older peer would misunderstand a newer one.
const Protocol = 1
