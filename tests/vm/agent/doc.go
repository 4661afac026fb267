// SPDX-License-Identifier: Apache-2.0

// Package agent is how a test works in its guest: it runs commands, moves files, and sends signals, over one serial
// port. The guest's side is a Service behind net/rpc, the host's a Client. Both find the start of a conversation by
// a token, so that what a dead predecessor left in the port does no harm.
package agent
