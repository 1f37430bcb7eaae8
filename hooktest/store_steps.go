package hooktest

import (
	"errors"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// The times of the suite. A short one runs out while the suite waits for it, a
// long one never does.
const (
	shortTime = 100 * time.Millisecond
	longTime  = time.Hour
	pause     = 2 * shortTime
)

type storePart struct {
	name string
	run  func(*storeTest)
}

type storeTest struct {
	*testing.T
	store sonzaihook.Store
}

// claims claims and checks the answer.
func (t *storeTest) claims(key, token string, lease time.Duration, want sonzaihook.State) {
	t.Helper()
	got, err := t.store.Claim(t.Context(), key, token, lease)
	if err != nil {
		t.Fatalf("Claim(%q, %q): %v", key, token, err)
	}
	if got != want {
		t.Fatalf("Claim(%q, %q) = %v, want %v", key, token, got, want)
	}
}

// claim returns what a claim that must not fail is answered.
func (t *storeTest) claim(key, token string) sonzaihook.State {
	t.Helper()
	state, err := t.store.Claim(t.Context(), key, token, longTime)
	if err != nil {
		t.Fatalf("Claim(%q, %q): %v", key, token, err)
	}
	return state
}

func (t *storeTest) commits(key, token string, keep time.Duration) {
	t.Helper()
	if err := t.store.Commit(t.Context(), key, token, keep); err != nil {
		t.Fatalf("Commit(%q, %q): %v", key, token, err)
	}
}

func (t *storeTest) releases(key, token string) {
	t.Helper()
	if err := t.store.Release(t.Context(), key, token); err != nil {
		t.Fatalf("Release(%q, %q): %v", key, token, err)
	}
}

func (t *storeTest) fails(what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("%s = %v, want %v", what, got, want)
	}
}
