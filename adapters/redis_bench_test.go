//go:build unix

package adapters_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/adapters/rueidishook"
	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// BenchmarkRedis is the claim and commit of one delivery on one redis-server, with
// each client and so many deliveries at a time. The clients take turns of a tenth
// of a second, so that a busy machine disturbs all alike; what is reported is
// deliveries a second, as the median of the turns, the ratio to the plain client in
// the same round, and the 99th percentile of a delivery's two calls.
func BenchmarkRedis(b *testing.B) {
	if err := redisserver.Installed(); err != nil {
		b.Skip(err)
	}
	server, err := redisserver.Start(b.Context(), b.TempDir(), "--appendfsync", "everysec")
	require.NoError(b, err)
	b.Cleanup(server.Kill)
	names, stores := redisStores(b, server.Addr())
	for _, n := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("%d at a time", n), func(b *testing.B) {
			rates, ratios := map[string][]float64{}, map[string][]float64{}
			took := map[string][]time.Duration{}
			for b.Loop() {
				for _, name := range names {
					rate, each := settleFor(b, stores[name], n, 100*time.Millisecond)
					rates[name] = append(rates[name], rate)
					ratios[name] = append(ratios[name], rate/rates[names[0]][len(rates[name])-1])
					took[name] = append(took[name], each...)
				}
			}
			b.ReportMetric(0, "ns/op") // of a round of turns
			for _, name := range names {
				b.ReportMetric(median(rates[name]), name+"-deliveries/s")
				b.ReportMetric(median(ratios[name]), name+"/"+names[0])
				slices.Sort(took[name])
				b.ReportMetric(float64(took[name][len(took[name])*99/100].Microseconds()), name+"-p99-µs")
			}
		})
	}
}

func redisStores(b *testing.B, addr string) ([]string, map[string]sonzaihook.Store) {
	b.Helper()
	names := []string{"plain", "pipeliner", "deferred", "rueidis"}
	pipeliner, err := newGoRedis(b, addr).AutoPipeline()
	require.NoError(b, err)
	deferred, err := newGoRedis(b, addr).AsyncAutoPipeline()
	require.NoError(b, err)
	stores := map[string]sonzaihook.Store{}
	for name, client := range map[string]redis.Scripter{"plain": newGoRedis(b, addr), "pipeliner": pipeliner, "deferred": deferred} {
		store, err := redishook.New(client)
		require.NoError(b, err)
		stores[name] = store
	}
	store, err := rueidishook.New(newRueidis(b, addr))
	require.NoError(b, err)
	stores["rueidis"] = store
	return names, stores
}

var settledKeys atomic.Int64

// settleFor claims and commits with n goroutines for a time. Each call has a
// deadline, as those of a receiver have.
func settleFor(b *testing.B, store sonzaihook.Store, n int, d time.Duration) (rate float64, took []time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	for range n {
		wg.Go(func() {
			var own []time.Duration
			for time.Since(begin) < d {
				start := time.Now()
				if err := settle(b.Context(), store, fmt.Sprint("bench-", settledKeys.Add(1))); err != nil {
					b.Error(err)
					break
				}
				own = append(own, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
		})
	}
	wg.Wait()
	return float64(len(took)) / time.Since(begin).Seconds(), took
}

func settle(ctx context.Context, store sonzaihook.Store, key string) error {
	claim, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := store.Claim(claim, key, "token", time.Minute); err != nil {
		return err
	}
	commit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return store.Commit(commit, key, "token", time.Minute)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
