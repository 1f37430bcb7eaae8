package sonzaihook_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
)

// storeModel is what a store promises, in as few words as possible: one entry for
// each key, and a look at the clock.
type storeModel map[string]modelEntry

type modelEntry struct {
	token string // empty: done
	until time.Time
}

func (m storeModel) claim(key, token string, lease time.Duration) sonzaihook.State {
	e, known := m[key]
	switch live := known && time.Now().Before(e.until); {
	case live && e.token == "":
		return sonzaihook.Done
	case live && e.token != token:
		return sonzaihook.InFlight
	}
	m[key] = modelEntry{token, time.Now().Add(lease)}
	return sonzaihook.Claimed
}

// commit and release are never asked about a key that is done and expired: a store
// may have forgotten it by then, or not.
func (m storeModel) commit(key, token string, keep time.Duration) error {
	e, known := m[key]
	switch {
	case known && e.token == "":
		return nil
	case known && e.token != token:
		return sonzaihook.ErrLeaseLost
	}
	m[key] = modelEntry{"", time.Now().Add(keep)}
	return nil
}

func (m storeModel) release(key, token string) error {
	e, known := m[key]
	if known && e.token != token {
		return sonzaihook.ErrLeaseLost
	}
	delete(m, key)
	return nil
}

func (m storeModel) forgotten(key string) bool {
	e, known := m[key]
	return known && e.token == "" && !time.Now().Before(e.until)
}

func TestMemoryStoreDoesWhatAMapAndAClockWouldDo(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{100, 10_000} { // one shard, and many
		for seed := range uint64(50) {
			inBubble(t, fmt.Sprintf("capacity %d seed %d", capacity, seed), func(t *testing.T) {
				compareWithModel(t, sonzaihook.NewMemoryStore(capacity), rand.New(rand.NewPCG(seed, 1)))
			})
		}
	}
}

func compareWithModel(t *testing.T, store sonzaihook.Store, random *rand.Rand) {
	model, ctx := storeModel{}, t.Context()
	for step := range 2000 {
		key, token := fmt.Sprintf("k%d", random.IntN(30)), fmt.Sprintf("t%d", random.IntN(3))
		length := time.Duration(1+random.IntN(2000)) * time.Millisecond
		what := fmt.Sprint(step, " ", key, " ", token)
		switch op := random.IntN(10); {
		case op < 5:
			state, err := store.Claim(ctx, key, token, length)
			require.NoError(t, err, what)
			require.Equal(t, model.claim(key, token, length), state, what)
		case op < 6:
			time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
			synctest.Wait()
		case model.forgotten(key):
		case op < 8:
			require.Equal(t, model.commit(key, token, length), store.Commit(ctx, key, token, length), what)
		default:
			require.Equal(t, model.release(key, token), store.Release(ctx, key, token), what)
		}
	}
}
