// Package snapshot holds a value that many goroutines read and few replace.
package snapshot

import (
	"sync"
	"sync/atomic"
)

// Of holds a *T that is replaced as a whole, so that a reader sees all of a change
// or none of it. The zero Of holds nil. It is safe for concurrent use.
type Of[T any] struct {
	mu  sync.Mutex // serialises changes
	now atomic.Pointer[T]
}

// Load returns the current value, which must not be changed.
func (s *Of[T]) Load() *T { return s.now.Load() }

// Set replaces the value, whatever it was.
func (s *Of[T]) Set(value *T) {
	s.Change(func(*T) *T { return value })
}

// Change replaces the value by what change returns for it, which must be another
// value or the same one unchanged. change must not call Change.
func (s *Of[T]) Change(change func(now *T) *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Store(change(s.now.Load()))
}
