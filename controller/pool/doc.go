// SPDX-License-Identifier: Apache-2.0

// Package pool keeps a pool of GPUs: which nodes there are, what they have, and who holds what.
//
// Nodes speak up by heartbeats and are the authority on what runs on them. So the pool survives a restart
// of the controller without state of its own: the first heartbeat of a node brings its leases back. A lease
// ends when
//
//   - it is released,
//   - its node's heartbeats do not list it for longer than Config.Grace, or the node has booted anew,
//   - its node has been silent for longer than Config.LeaseTimeout.
//
// A node that is silent for longer than Config.NodeTimeout is lost: its GPUs are not granted, but its leases
// stay, since its programs may well be running behind a broken network.
package pool
