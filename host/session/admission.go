// SPDX-License-Identifier: Apache-2.0

package session

import "sync"

// Bounds on handshakes that are under way. Each costs a goroutine and a few descriptors for at most
// handshakeTimeout plus grantTimeout; one user alone cannot take all of them.
const (
	maxHandshakes        = 512
	maxHandshakesPerUser = 256
)

// admission counts handshakes under way.
type admission struct {
	mu     sync.Mutex
	total  int
	byUser map[uint32]int
}

// enter admits one more handshake of a user, or says no. leave must follow a yes.
func (a *admission) enter(uid uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= maxHandshakes || a.byUser[uid] >= maxHandshakesPerUser {
		return false
	}
	if a.byUser == nil {
		a.byUser = map[uint32]int{}
	}
	a.total++
	a.byUser[uid]++
	return true
}

func (a *admission) leave(uid uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.byUser[uid]--; a.byUser[uid] == 0 {
		delete(a.byUser, uid)
	}
}
