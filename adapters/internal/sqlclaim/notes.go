package sqlclaim

import (
	"sync"
	"time"
)

// Notes remember what this process has committed in a transaction, for as long as
// it takes a receiver to ask, so that its own commit and renewals need no round
// trip. Only who has seen COMMIT succeed may add one. It is safe for concurrent
// use. The zero value is ready.
type Notes struct {
	mu    sync.Mutex
	known map[note]time.Time // until when
}

type note struct{ key, token string }

// A receiver asks at once; a note that was not asked for is dropped after a minute.
const (
	noteFor   = time.Minute
	noteSweep = 1024
)

// Add notes that the holder of a key has committed.
func (n *Notes) Add(key, token string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if n.known == nil {
		n.known = map[note]time.Time{}
	}
	if len(n.known) >= noteSweep {
		for k, until := range n.known {
			if now.After(until) {
				delete(n.known, k)
			}
		}
	}
	n.known[note{key, token}] = now.Add(noteFor)
}

// Has reports whether the holder of a key has committed here.
func (n *Notes) Has(key, token string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.known[note{key, token}]
	return ok
}

// Take reports what Has does, and forgets it.
func (n *Notes) Take(key, token string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.known[note{key, token}]
	delete(n.known, note{key, token})
	return ok
}
