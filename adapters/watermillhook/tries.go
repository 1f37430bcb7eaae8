package watermillhook

import (
	"sync"
	"time"
)

// tries counts the failed attempts of this process at the deliveries that it has
// given back. It is bounded: what was not tried for longest is forgotten first, and
// tried a few times more than it should be.
type tries struct {
	mu  sync.Mutex
	now map[string]*try // since the last time that now was full
	old map[string]*try // before that
}

type try struct {
	failures int
	seen     time.Time
}

// mostTries bounds each of the two generations.
const mostTries = 10_000

// failed counts one failure more, after those that the message tells of, and
// returns how many there are.
func (t *tries) failed(key string, told int, at time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry := t.get(key, at)
	entry.failures = max(entry.failures, told) + 1
	return entry.failures
}

// firstSeen returns when a delivery that does not say when it arrived was seen
// first.
func (t *tries) firstSeen(key string, at time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.get(key, at).seen
}

func (t *tries) get(key string, at time.Time) *try {
	if entry := t.now[key]; entry != nil {
		return entry
	}
	entry := t.old[key]
	if entry == nil {
		entry = &try{seen: at}
	}
	delete(t.old, key)
	if t.now == nil || len(t.now) == mostTries {
		t.old, t.now = t.now, make(map[string]*try)
	}
	t.now[key] = entry
	return entry
}

func (t *tries) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.now, key)
	delete(t.old, key)
}
