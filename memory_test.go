package sonzaihook_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/stretchr/testify/require"
)

func TestMemoryStoreIsAStore(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{1000, 10_000} {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			t.Parallel()
			hooktest.RunStore(t, func(testing.TB) sonzaihook.Store { return sonzaihook.NewMemoryStore(capacity) })
		})
	}
}

// finish claims and commits a key.
func finish(t *testing.T, store sonzaihook.Store, key string) {
	t.Helper()
	claim(t, store, key, sonzaihook.Claimed)
	require.NoError(t, store.Commit(t.Context(), key, "token", time.Hour))
}

func claim(t *testing.T, store sonzaihook.Store, key string, want sonzaihook.State) {
	t.Helper()
	state, err := store.Claim(t.Context(), key, "token", time.Minute)
	require.NoError(t, err)
	require.Equal(t, want, state, "%s is %v", key, state)
}

func evicted(store sonzaihook.Store) uint64 {
	return store.(interface{ Evicted() uint64 }).Evicted()
}

func TestFullMemoryStoreForgetsWhatWasFinishedFirst(t *testing.T) {
	t.Parallel()
	store := sonzaihook.NewMemoryStore(3)
	for i := range 5 {
		finish(t, store, fmt.Sprint(i))
	}
	require.EqualValues(t, 2, evicted(store))
	for i := 2; i < 5; i++ {
		claim(t, store, fmt.Sprint(i), sonzaihook.Done)
	}
	claim(t, store, "0", sonzaihook.Claimed)
}

func TestFullMemoryStoreNeverForgetsWhatRuns(t *testing.T) {
	t.Parallel()
	for _, capacity := range []int{0, 1, 2, 5000} {
		store := sonzaihook.NewMemoryStore(capacity)
		capacity = max(capacity, 1)
		for i := range capacity {
			claim(t, store, fmt.Sprint(i), sonzaihook.Claimed)
		}
		_, err := store.Claim(t.Context(), "more", "other", time.Minute)
		require.ErrorIs(t, err, sonzaihook.ErrStoreFull)
		require.ErrorIs(t, store.Commit(t.Context(), "more", "other", time.Minute), sonzaihook.ErrStoreFull)
		require.Zero(t, evicted(store))
		require.NoError(t, store.Release(t.Context(), "0", "token"))
		state, err := store.Claim(t.Context(), "more", "other", time.Minute)
		require.NoError(t, err)
		require.Equal(t, sonzaihook.Claimed, state)
	}
}

func TestFullMemoryStoreTakesBackLeasesThatRanOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := sonzaihook.NewMemoryStore(2)
		claim(t, store, "a", sonzaihook.Claimed)
		claim(t, store, "b", sonzaihook.Claimed)
		time.Sleep(time.Hour)
		claim(t, store, "c", sonzaihook.Claimed)
		require.Zero(t, evicted(store))
	})
}

func TestFullShardedMemoryStoreMakesRoomInAnotherShard(t *testing.T) {
	t.Parallel()
	const capacity = 4096
	store := sonzaihook.NewMemoryStore(capacity)
	finish(t, store, "finished")
	for i := range capacity - 1 {
		claim(t, store, fmt.Sprint(i), sonzaihook.Claimed)
	}
	claim(t, store, "more", sonzaihook.Claimed)
	require.EqualValues(t, 1, evicted(store))
	claim(t, store, "more", sonzaihook.Claimed)
	require.NoError(t, store.Release(t.Context(), "more", "token"))
	claim(t, store, "finished", sonzaihook.Claimed)
}

func TestMemoryStoreForgetsInTimeWithoutCountingItAsEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := sonzaihook.NewMemoryStore(100)
		for i := range 100 {
			finish(t, store, fmt.Sprint(i))
		}
		time.Sleep(time.Hour)
		claim(t, store, "0", sonzaihook.Claimed)
		for i := range 99 {
			finish(t, store, fmt.Sprint("new ", i))
		}
		require.Zero(t, evicted(store))
		claim(t, store, "new 50", sonzaihook.Done)
	})
}

func TestEvictionsAreLoggedOnceAMinuteToTheReceiversLogger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		store := sonzaihook.NewMemoryStore(1)
		hooks, err := sonzaihook.New(sonzaihook.Secret("abc"), sonzaihook.WithStore(store), sonzaihook.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		require.NoError(t, err)
		hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
		deliver := func(i int) {
			body := fmt.Appendf(nil, `{"type":"agent.message","id":"%d"}`, i)
			hooktest.Deliver(t, hooks, body, hooktest.SignedWith("abc"), hooktest.At(time.Now()))
		}
		time.Sleep(time.Second)
		for i := range 10 {
			deliver(i)
		}
		require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("memory store is full")))
		time.Sleep(time.Minute)
		deliver(10)
		deliver(11)
		require.Equal(t, 2, bytes.Count(log.Bytes(), []byte("memory store is full")))
		require.Contains(t, log.String(), "evicted=10")
	})
}

func TestStatesHaveNames(t *testing.T) {
	t.Parallel()
	for state, name := range map[sonzaihook.State]string{
		sonzaihook.Claimed: "claimed", sonzaihook.InFlight: "in flight", sonzaihook.Done: "done", 0: "unknown",
	} {
		require.Equal(t, name, state.String())
	}
}
