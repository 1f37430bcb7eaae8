package otelhook

import "sync"

// begun are the deliveries, by identity, whose span has begun and whose outcome has
// not been told: what came without a span of a server gets one when its outcome is
// told, unless it is among these. The code of an outcome does not tell, since a
// callback may return what a receiver answers by itself.
type begun struct {
	mu  sync.Mutex
	ids map[string]int // how many there are of each: without a store copies run together
}

// mostBegun bounds what is kept. A hand-off on a receiver that has no observer of
// ours leaves its identity behind; when there are too many, all are dropped, and
// those that run just then get a second span.
const mostBegun = 4096

func (b *begun) add(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ids == nil || len(b.ids) >= mostBegun {
		b.ids = map[string]int{}
	}
	b.ids[id]++
}

// take reports whether there is one, and takes it out.
func (b *begun) take(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.ids[id] {
	case 0:
		return false
	case 1:
		delete(b.ids, id)
	default:
		b.ids[id]--
	}
	return true
}
