// SPDX-License-Identifier: Apache-2.0

package session

import "sync"

// Bounds on handshakes that are under way. Each costs a goroutine and a few descriptors for at most
// handshakeTimeout plus grantTimeout; one source, a user of this host or another machine, cannot take all of them.
const (
	maxHandshakes          = 512
	maxHandshakesPerSource = 256
)

// admission counts handshakes under way.
type admission struct {
	mu       sync.Mutex
	total    int
	bySource map[string]int
}

// enter admits one more handshake of a source, or says no. leave must follow a yes.
func (a *admission) enter(source string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.total >= maxHandshakes || a.bySource[source] >= maxHandshakesPerSource {
		return false
	}
	if a.bySource == nil {
		a.bySource = map[string]int{}
	}
	a.total++
	a.bySource[source]++
	return true
}

func (a *admission) leave(source string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.bySource[source]--; a.bySource[source] == 0 {
		delete(a.bySource, source)
	}
}
