// SPDX-License-Identifier: Apache-2.0

// Package session opens, watches and ends the sessions of a node: one worker process for each client process.
//
// A client connects to oriond's unix socket, or to another entrance, and sends a wire.Hello. The server finds
// out who it is from the kernel, gets it a lease from the pool, makes a sealed region of shared memory and starts
// a worker that inherits the socket, the region and a pidfd of the client. A program in a virtual machine has for
// region a slice of the memory that the machine shares with this host, and proves by a nonce in it that it can
// read that; one on another machine has a region that only the worker maps. The worker answers the client; from there on
// oriond takes no part in what the two say to each other.
//
// A session ends with its worker, whatever the reason: the server sees it by the worker's pidfd, removes the
// record and gives the lease back. A worker ends by itself when its client does; should it be stuck, in the
// driver say, the server kills it a moment later.
//
// Workers outlive oriond. Each session has a record on disk; the next oriond adopts the workers that it
// finds there alive, and gives back the leases of the others.
//
// Everything that comes over the socket is hostile until checked: a handshake has a size, a deadline, and a
// bound on how many can be under way, in total and for one user.
package session
