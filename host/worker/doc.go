// SPDX-License-Identifier: Apache-2.0

// Package worker is the process that executes one client's CUDA calls: it maps the session's region, opens a
// driver backend, answers the handshake and serves the command ring until the client is gone.
//
// It is the isolation boundary. Nothing in the region is trusted: a command is copied out, then checked, then
// run; every handle is looked up by kind in a table of this session; every host address must lie in the
// region. What is malformed ends the session, with the reason in its log and in the region's status.
//
// Threads: the ring goroutine decodes and runs commands in order and never blocks in a wait; waiters run what
// blocks (event waits, context synchronisation); the watch goroutine looks after answers that the GPU is to
// give, so that a failed context answers as well.
package worker
