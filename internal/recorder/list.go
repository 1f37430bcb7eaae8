package recorder

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long Wait waits before it fails the test: far more than any test
// needs on a loaded machine.
const patience = 30 * time.Second

// List is a list that any goroutine may add to. The zero List is empty.
type List[T any] struct {
	mu      sync.Mutex
	items   []T
	changed chan struct{} // closed by the next Add, where a Wait wants to know
}

// Add appends an item and returns how many there are now.
func (l *List[T]) Add(item T) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.items = append(l.items, item)
	tell(&l.changed)
	return len(l.items)
}

// All returns a copy of the list, in the order in which the items were added.
func (l *List[T]) All() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.items)
}

// Len returns how many items there are.
func (l *List[T]) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items)
}

// Last returns the item that was added last. An empty list fails the test.
func (l *List[T]) Last(t testing.TB) T {
	t.Helper()
	all := l.All()
	if len(all) == 0 {
		t.Fatal("recorder: nothing was recorded")
	}
	return all[len(all)-1]
}

// Wait returns the list once it has at least n items. It fails the test if that
// takes longer than half a minute, so it must be called on the test's goroutine.
func (l *List[T]) Wait(t testing.TB, n int) []T {
	t.Helper()
	var all []T
	if !wait(&l.mu, &l.changed, func() bool { all = slices.Clone(l.items); return len(all) >= n }) {
		t.Fatalf("recorder: %d items were recorded in %s, want %d", len(all), patience, n)
	}
	return all
}

// Log is a text that any goroutine may write to. The zero Log is empty.
type Log struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed by the next Write, where a Wait wants to know
}

// Write appends to the text. It never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	tell(&l.changed)
	return l.text.Write(p)
}

// String returns what was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Wait returns once text was written, and otherwise like [List.Wait].
func (l *Log) Wait(t testing.TB, text string) {
	t.Helper()
	if !wait(&l.mu, &l.changed, func() bool { return strings.Contains(l.text.String(), text) }) {
		t.Fatalf("recorder: %q was not written in %s, but:\n%s", text, patience, l)
	}
}

// tell wakes those who wait for a change. The caller holds the mutex.
func tell(changed *chan struct{}) {
	if *changed != nil {
		close(*changed)
		*changed = nil
	}
}

// wait calls done with the mutex held, at once and after each change, until it
// returns true. It returns false if that takes longer than patience.
func wait(mu *sync.Mutex, changed *chan struct{}, done func() bool) bool {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		mu.Lock()
		if done() {
			mu.Unlock()
			return true
		}
		if *changed == nil {
			*changed = make(chan struct{})
		}
		next := *changed
		mu.Unlock()
		select {
		case <-next:
		case <-deadline.C:
			return false
		}
	}
}
