package hooktest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// contentionParts are about many callers at once.
var contentionParts = []storePart{
	{"of many that claim at once one gets the key", func(t *storeTest) { t.contend(64) }},
	{"of many that wait for a lease to end one takes over", (*storeTest).takeOver},
	{"many keys at once have one holder each", (*storeTest).spread},
	{"receivers that share it run a delivery once", (*storeTest).share},
}

// contend lets n holders claim, release and claim again, and checks that there
// is never more than one.
func (t *storeTest) contend(n int) {
	ctx := context.WithoutCancel(t.Context())
	var holders, claimed atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			token := fmt.Sprint("holder-", i)
			for range 20 {
				state, err := t.store.Claim(ctx, "k", token, longTime)
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
				if err := t.store.Release(ctx, "k", token); err != nil {
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

// takeOver lets many holders claim a key until its lease has run out.
func (t *storeTest) takeOver() {
	t.claims("k", "dead", shortTime, sonzaihook.Claimed)
	ctx := context.WithoutCancel(t.Context())
	var winners atomic.Int64
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for last := false; !last; time.Sleep(5 * time.Millisecond) {
				last = winners.Load() > 0 || t.Context().Err() != nil
				state, err := t.store.Claim(ctx, "k", fmt.Sprint("heir-", i), longTime)
				if err != nil {
					t.Errorf("Claim: %v", err)
					return
				}
				if state == sonzaihook.Claimed {
					winners.Add(1)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := winners.Load(); n != 1 {
		t.Fatalf("%d took over, want 1", n)
	}
	t.fails("Commit", t.store.Commit(t.Context(), "k", "dead", longTime), sonzaihook.ErrLeaseLost)
}

// spread lets several holders claim and commit the same many keys in different
// orders.
func (t *storeTest) spread() {
	const keys, holders = 500, 8
	ctx := context.WithoutCancel(t.Context())
	won := make([]atomic.Int64, keys)
	var wg sync.WaitGroup
	for i := range holders {
		wg.Go(func() {
			token := fmt.Sprint("holder-", i)
			for j := range keys {
				n := (j + i*keys/holders) % keys
				key := fmt.Sprint("key-", n)
				state, err := t.store.Claim(ctx, key, token, longTime)
				if err == nil && state == sonzaihook.Claimed {
					won[n].Add(1)
					err = t.store.Commit(ctx, key, token, longTime)
				}
				if err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
	wg.Wait()
	for n := range won {
		if got := won[n].Load(); got != 1 {
			t.Fatalf("key-%d was claimed by %d holders, want 1", n, got)
		}
	}
}

// share sends copies of one delivery to two receivers until each answers 2xx.
func (t *storeTest) share() {
	var runs atomic.Int64
	receivers := make([]*sonzaihook.Receiver, 2)
	for i := range receivers {
		r, err := sonzaihook.New(sonzaihook.Secret(Secret),
			sonzaihook.WithStore(t.store), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		r.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			runs.Add(1)
			time.Sleep(50 * time.Millisecond)
			return nil
		})
		receivers[i] = r
	}
	body := Fixture(t, sonzaihook.EventMoodChange)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			status := http.StatusServiceUnavailable
			for tries := 0; status == http.StatusServiceUnavailable && tries < 200; tries++ {
				answer := httptest.NewRecorder()
				receivers[i%2].ServeHTTP(answer, newRequest(t, body, nil))
				status = answer.Code
				time.Sleep(5 * time.Millisecond)
			}
			if status != http.StatusOK {
				t.Errorf("the last answer was %d, want 200", status)
			}
		})
	}
	wg.Wait()
	if n := runs.Load(); n != 1 {
		t.Fatalf("the callback ran %d times, want 1", n)
	}
}
