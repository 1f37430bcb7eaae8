package hooktest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// RunStore runs the suite that every sonzaihook.Store must pass: that a key has
// one holder at a time, that a lease ends, is renewed and can be lost, and that a
// finished key is known for as long as it was asked for and no longer. open is
// called once for each part and returns an empty store; it registers its own
// clean-up. The parts run in parallel, in real time, within a few seconds.
func RunStore(t *testing.T, open func(testing.TB) sonzaihook.Store) {
	t.Helper()
	for _, part := range storeParts {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(&storeTest{T: t, store: open(t)})
		})
	}
}

// The times of the suite. A short one runs out while the suite waits for it, a
// long one never does.
const (
	shortTime = 200 * time.Millisecond
	longTime  = time.Hour
	pause     = 2 * shortTime
)

var storeParts = []struct {
	name string
	run  func(*storeTest)
}{
	{"a claimed key is in flight for others", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.claims("k", "b", longTime, sonzaihook.InFlight)
		t.claims("other", "b", longTime, sonzaihook.Claimed)
	}},
	{"a committed key is done for everybody", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.claims("k", "a", longTime, sonzaihook.Done)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a released key can be claimed at once", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.releases("k", "a")
		t.claims("k", "b", longTime, sonzaihook.Claimed)
	}},
	{"a lease that ran out is taken over", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.claims("k", "a", longTime, sonzaihook.InFlight)
	}},
	{"a renewed lease outlives the first", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.InFlight)
		t.commits("k", "a", longTime)
	}},
	{"a holder that lost its lease cannot commit or release", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.fails("Commit", t.store.Commit(t.Context(), "k", "a", longTime), sonzaihook.ErrLeaseLost)
		t.fails("Release", t.store.Release(t.Context(), "k", "a"), sonzaihook.ErrLeaseLost)
		t.claims("k", "c", longTime, sonzaihook.InFlight)
		t.commits("k", "b", longTime)
	}},
	{"a late commit counts if nobody took over", func(t *storeTest) {
		t.claims("k", "a", shortTime, sonzaihook.Claimed)
		time.Sleep(pause)
		t.commits("k", "a", longTime)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a second commit changes nothing", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.commits("k", "a", longTime)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a release of an unknown key does nothing", func(t *storeTest) {
		t.releases("k", "a")
		t.claims("k", "b", longTime, sonzaihook.Claimed)
	}},
	{"a finished key cannot be released", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", longTime)
		t.fails("Release", t.store.Release(t.Context(), "k", "a"), sonzaihook.ErrLeaseLost)
		t.claims("k", "b", longTime, sonzaihook.Done)
	}},
	{"a finished key is forgotten after its keep", func(t *storeTest) {
		t.claims("k", "a", longTime, sonzaihook.Claimed)
		t.commits("k", "a", shortTime)
		time.Sleep(pause)
		t.claims("k", "b", longTime, sonzaihook.Claimed)
		t.claims("k", "a", longTime, sonzaihook.InFlight)
	}},
	{"keys with any bytes are different keys", func(t *storeTest) {
		for i, key := range []string{"agent.wakeup:wk_1", "agent.wakeup:wk_1 ", "Agent.wakeup:wk_1", "{a}", "a\x00b", "a\nb", "é", "*", "sha256:" + fmt.Sprint(t.Name())} {
			t.claims(key, fmt.Sprint(i), longTime, sonzaihook.Claimed)
		}
	}},
	{"of many that claim at once one gets the key", func(t *storeTest) { t.contend(64) }},
}

type storeTest struct {
	*testing.T
	store sonzaihook.Store
}

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

// contend lets n holders claim, release and claim again, and checks that there
// is never more than one.
func (t *storeTest) contend(n int) {
	var holders, claimed atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			token := fmt.Sprint("holder-", i)
			for range 20 {
				state, err := t.store.Claim(context.WithoutCancel(t.Context()), "k", token, longTime)
				if err != nil {
					t.Errorf("Claim: %v", err)
					return
				}
				if state != sonzaihook.Claimed {
					continue
				}
				claimed.Add(1)
				if now := holders.Add(1); now != 1 {
					t.Errorf("%d hold the key", now)
				}
				holders.Add(-1)
				if err := t.store.Release(context.WithoutCancel(t.Context()), "k", token); err != nil {
					t.Errorf("Release: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if claimed.Load() == 0 {
		t.Fatal("nobody got the key")
	}
}
