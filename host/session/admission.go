// SPDX-License-Identifier: Apache-2.0

package session

import "sync"

// Bounds on handshakes that are under way. Each costs a goroutine and a few descriptors for at most
// handshakeTimeout plus grantTimeout. One user of this host, or one other machine, cannot take all of them, and
// all other machines together leave half to the programs of this host.
const (
	maxHandshakes          = 512
	maxHandshakesPerSource = 256
	maxRemoteHandshakes    = 256
	maxHandshakesPerRemote = 128
)

// admission counts handshakes under way.
type admission struct {
	mu       sync.Mutex
	total    int
	remote   int
	bySource map[string]int
}

// enter admits one more handshake of a source, or says no. leave must follow a yes.
func (a *admission) enter(source string, local bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.bySource[source]
	if a.total >= maxHandshakes || n >= maxHandshakesPerSource ||
		!local && (a.remote >= maxRemoteHandshakes || n >= maxHandshakesPerRemote) {
		return false
	}
	if a.bySource == nil {
		a.bySource = map[string]int{}
	}
	a.total++
	a.bySource[source]++
	if !local {
		a.remote++
	}
	return true
}

func (a *admission) leave(source string, local bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if !local {
		a.remote--
	}
	if a.bySource[source]--; a.bySource[source] == 0 {
		delete(a.bySource, source)
	}
}
