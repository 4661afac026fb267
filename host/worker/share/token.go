// SPDX-License-Identifier: Apache-2.0

package share

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
)

const (
	secretBytes = 16
	// TokenBytes is the size of a token, that of CUDA's handles between processes.
	TokenBytes = 64
)

var magic = [8]byte{'O', 'R', 'I', 'O', 'N', 'S', 'H', 'R'}

// Token names an offer: magic, the giver's socket, the offer, its kind; the rest is zero.
type Token [TokenBytes]byte

func newToken(socket [secretBytes]byte, kind byte) (t Token) {
	copy(t[:], magic[:])
	copy(t[8:], socket[:])
	_, _ = rand.Read(t[24:40]) // never fails
	t[40] = kind
	return t
}

// Kind is what the giver said that the offer is; 0 for what is no token.
func (t Token) Kind() byte {
	if !bytes.Equal(t[:8], magic[:]) {
		return 0
	}
	return t[40]
}

// socket is the address of the giver.
func (t Token) socket() string { return socketName([secretBytes]byte(t[8:24])) }

func socketName(id [secretBytes]byte) string { return "@orion-share-" + hex.EncodeToString(id[:]) }
