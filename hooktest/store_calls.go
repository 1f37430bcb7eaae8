package hooktest

import (
	"context"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// promptly is how long a call may take whose context has ended. A receiver waits
// a second for a store; a test leaves room for a busy machine.
const promptly = 5 * time.Second

// callParts are about calls that fail. A call whose context has ended may have
// happened or not, but it returns, and nothing in between is left behind.
var callParts = []storePart{
	{"a claim under an ended context returns and leaves one holder at most", func(t *storeTest) {
		for range 20 {
			t.promptly("Claim", func(ctx context.Context) { _, _ = t.store.Claim(ctx, "k", "a", longTime) })
		}
		switch state := t.claim("k", "b"); state {
		case sonzaihook.Claimed:
			t.claims("k", "a", longTime, sonzaihook.InFlight)
		case sonzaihook.InFlight:
			t.claims("k", "a", longTime, sonzaihook.Claimed)
			t.commits("k", "a", longTime)
		default:
			t.Fatalf("Claim = %v of a key that nobody committed", state)
		}
	}},
	{"a commit under an ended context happens whole or not at all", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.promptly("Commit", func(ctx context.Context) { _ = t.store.Commit(ctx, "k", "a", longTime) })
		if state := t.claim("k", "b"); state == sonzaihook.Claimed {
			t.Fatal("a commit let go of the key")
		}
		t.commits("k", "a", longTime)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a release under an ended context happens whole or not at all", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.promptly("Release", func(ctx context.Context) { _ = t.store.Release(ctx, "k", "a") })
		if state := t.claim("k", "a"); state != sonzaihook.Claimed {
			t.Fatalf("Claim by the holder = %v", state)
		}
		t.releases("k", "a")
		t.claims("k", "b", longTime, sonzaihook.Claimed)
	}},
	{"calls that are cut short never make two holders", (*storeTest).cutShort},
}

// promptly makes a call under a context that has ended and checks that it returns.
func (t *storeTest) promptly(what string, call func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		call(ctx)
	}()
	select {
	case <-returned:
	case <-time.After(promptly):
		t.Fatalf("%s did not return within %v after its context had ended", what, promptly)
	}
}

// cutShort lets holders claim under contexts that end during the call. A holder that
// got Claimed holds the key; no other may get it, however the other calls ended.
func (t *storeTest) cutShort() {
	const rounds, holders = 40, 4
	for round := range rounds {
		key := "k" + string(rune('a'+round%26)) + string(rune('a'+round/26))
		var mu sync.Mutex
		var winners []string
		var wg sync.WaitGroup
		for i := range holders {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round*10*(i+1))*time.Microsecond)
				defer cancel()
				token := string(rune('a' + i))
				if state, err := t.store.Claim(ctx, key, token, longTime); err == nil && state == sonzaihook.Claimed {
					mu.Lock()
					defer mu.Unlock()
					winners = append(winners, token)
				}
			})
		}
		wg.Wait()
		if len(winners) > 1 {
			t.Fatalf("%v were all told that they hold the key", winners)
		}
		if len(winners) == 1 {
			t.commits(key, winners[0], longTime)
		}
	}
}
