// SPDX-License-Identifier: Apache-2.0

// Package share lets the workers of a node hand one another memory and events for their clients.
//
// Who has something to give offers it under a token, which a client passes to another as it would pass CUDA's own
// handles. The other client's worker fetches it from the first at a socket in the abstract name space: nothing is
// left behind by a worker that ends, files travel with the bytes, and what was offered can be had as long as its
// giver lives and has not withdrawn it, as with CUDA.
//
// A token is its own key: 128 random bits name the socket and 128 more the thing. Both ends check that the other
// runs as the same user, so that neither a client nor anybody else on the host speaks to a worker.
package share
