package simulator

import (
	"slices"
	"sync"
	"time"
)

// holdLimit is how long a held delivery waits for another to overtake it.
const holdLimit = time.Second

// holdings are the deliveries that are held back.
type holdings[T comparable] struct {
	mu   sync.Mutex
	list []T
}

func (h *holdings[T]) add(held T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, held)
}

// take reports whether the delivery was still held.
func (h *holdings[T]) take(held T) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.list, held)
	if i < 0 {
		return false
	}
	h.list = slices.Delete(h.list, i, i+1)
	return true
}

// takeAll returns what is held.
func (h *holdings[T]) takeAll() []T {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.list
	h.list = nil
	return all
}
