package sonzaihook_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// BenchmarkMemoryStore claims and commits new keys in a store that holds 100,000
// live ones. The keys are made beforehand: a delivery has its identity already.
func BenchmarkMemoryStore(b *testing.B) {
	const live = 100_000
	cases := []struct {
		name     string
		capacity int
		keep     time.Duration
	}{
		{"room for more", 1 << 23, time.Hour},        // nothing has to go
		{"full", live, time.Hour},                    // each key evicts another
		{"expiring", 1 << 23, 50 * time.Microsecond}, // each key finds expired ones
	}
	for _, c := range cases {
		for _, goroutines := range []int{1, 2, 64} {
			b.Run(c.name+"/goroutines="+strconv.Itoa(goroutines), func(b *testing.B) {
				claimAndCommit(b, filled(b, c.capacity, live), goroutines, c.keep)
			})
		}
	}
}

// filled returns a store with finished keys.
func filled(b *testing.B, capacity, live int) sonzaihook.Store {
	b.Helper()
	logger := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // a full store says so, once a minute
	store := sonzaihook.NewMemoryStore(capacity)
	slog.SetDefault(logger)
	for i := range live {
		settleKey(b, store, "live-"+strconv.Itoa(i), time.Hour)
	}
	return store
}

func settleKey(b *testing.B, store sonzaihook.Store, key string, keep time.Duration) {
	if state, err := store.Claim(context.Background(), key, "token", time.Hour); err != nil || state != sonzaihook.Claimed {
		b.Errorf("Claim = %v, %v", state, err)
	}
	if err := store.Commit(context.Background(), key, "token", keep); err != nil {
		b.Error(err)
	}
}

func claimAndCommit(b *testing.B, store sonzaihook.Store, goroutines int, keep time.Duration) {
	keys := make([]string, b.N)
	for i := range keys {
		keys[i] = "evt_" + strconv.Itoa(i)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range goroutines {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= b.N {
					return
				}
				settleKey(b, store, keys[i], keep)
			}
		})
	}
	wg.Wait()
}

// BenchmarkMemoryStoreStall reports the longest single claim while 100,000 keys
// expire at once: expiry is spread over claims, so none of them pays for all.
func BenchmarkMemoryStoreStall(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		store := sonzaihook.NewMemoryStore(1 << 20)
		for i := range 100_000 {
			settleKey(b, store, "old-"+strconv.Itoa(i), time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
		var longest time.Duration
		b.StartTimer()
		for i := range 10_000 {
			began := time.Now()
			_, _ = store.Claim(context.Background(), "new-"+strconv.Itoa(i), "token", time.Hour)
			longest = max(longest, time.Since(began))
		}
		b.ReportMetric(float64(longest.Nanoseconds()), "longest-ns")
	}
}
