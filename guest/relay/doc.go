// SPDX-License-Identifier: Apache-2.0

// Package relay is the client's end of a channel that a stream carries, for programs on machines without an
// oriond or memory shared with one. To a program it looks like oriond: it answers the handshake on a unix socket
// with a region of shared memory. Behind it, each program has a connection of its own to an oriond, whose worker
// has a region like it; package carry says how they are kept alike.
//
// For each program: the uplink reads the command ring and sends commands, led by the memory that they read; the
// downlink stores what the worker sends; the guard ends both when the program is gone. When the connection is
// lost, the program's calls fail with the reason, which it finds in its region.
//
// A program is the relay's user's own, but may be broken: what it writes into its region is checked before it is
// used, and what it does wrong ends its own session.
package relay
