// SPDX-License-Identifier: Apache-2.0

// Package pool is oriond's side of the pool: it registers the node with orion-controller, says by
// heartbeats what the node has and what runs there, and gets and returns leases for programs.
//
// The controller may go away and come back at any time. Running programs do not notice; new ones are told
// after a few seconds; what was released meanwhile is told to the controller by the next heartbeat that
// arrives. A lease never leaks: the Client names it before it asks, so that even a grant whose answer was
// lost can be taken back.
package pool
