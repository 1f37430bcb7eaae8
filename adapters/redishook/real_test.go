//go:build unix

package redishook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// TestRealRedis holds everything that needs a redis-server, so that a machine
// without one says so once.
func TestRealRedis(t *testing.T) {
	t.Parallel()
	server, err := redisserver.Start(t.Context(), t.TempDir())
	if errors.Is(err, redisserver.ErrNotInstalled) {
		t.Skipf("%v; the same suite ran on miniredis", err)
	}
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	var stores atomic.Int64
	open := func(client redis.UniversalClient) func(testing.TB) sonzaihook.Store {
		return func(t testing.TB) sonzaihook.Store {
			return newStore(t, client, redishook.WithPrefix(fmt.Sprintf("suite-%d:", stores.Add(1))))
		}
	}
	client := newClient(t, server.Addr())
	t.Run("passes the suite", func(t *testing.T) { hooktest.RunStore(t, open(client)) })
	t.Run("passes the suite as a cluster", func(t *testing.T) { hooktest.RunStore(t, open(startCluster(t))) })
	t.Run("an accepted delivery costs two round trips", func(t *testing.T) { countRoundTrips(t, server.Addr()) })
	t.Run("Check finds a policy that evicts", func(t *testing.T) { findEviction(t, client) })
	t.Run("a full server refuses to claim and keeps what it has", fill)
	t.Run("a server that hangs", stall)
	t.Run("a crash of the server forgets nothing", crash)
	t.Run("a failover costs a duplicate and no loss", failOver)
}

func start(t *testing.T, args ...string) *redisserver.Server {
	t.Helper()
	server, err := redisserver.Start(t.Context(), t.TempDir(), args...)
	require.NoError(t, err)
	t.Cleanup(server.Kill)
	return server
}

// startCluster returns a client of a cluster with one node that has all slots.
func startCluster(t *testing.T) *redis.ClusterClient {
	t.Helper()
	server := start(t, "--cluster-enabled", "yes")
	node := newClient(t, server.Addr())
	require.NoError(t, node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err())
	require.Eventually(t, func() bool {
		return strings.Contains(node.ClusterInfo(t.Context()).Val(), "cluster_state:ok")
	}, 10*time.Second, 10*time.Millisecond)
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr()}, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = cluster.Close() })
	require.NoError(t, newStore(t, cluster).Check(t.Context()))
	return cluster
}

// countingConn counts what is written: the client writes a command whole and then
// waits for its answer, so a write is a round trip.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// countRoundTrips counts on the wire and, beside it, what the server says that
// it was asked.
func countRoundTrips(t *testing.T, addr string) {
	const deliveries = 50
	var writes atomic.Int64
	client := redis.NewClient(&redis.Options{
		Addr: addr, ContextTimeoutEnabled: true,
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return countingConn{conn, &writes}, err
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, client.Ping(t.Context()).Err()) // the first command of a connection is its greeting
	hooks := newReceiver(t, newStore(t, client, redishook.WithPrefix("trips:")))
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })

	server := newClient(t, addr)
	require.NoError(t, server.ScriptFlush(t.Context()).Err()) // as after a restart
	require.NoError(t, server.ConfigResetStat(t.Context()).Err())
	before := writes.Load()
	for i := range deliveries {
		answer := hooktest.Deliver(t, hooks, moodChange(i))
		require.Equal(t, http.StatusOK, answer.Code)
	}
	require.EqualValues(t, 2*deliveries, writes.Load()-before)
	stats, err := server.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	require.Contains(t, stats, fmt.Sprintf("cmdstat_eval:calls=%d,", 2*deliveries))

	before = writes.Load()
	for i := range deliveries {
		require.Equal(t, http.StatusOK, hooktest.Deliver(t, hooks, moodChange(i)).Code)
	}
	require.EqualValues(t, deliveries, writes.Load()-before, "a copy costs one round trip")
}

func newReceiver(t testing.TB, store sonzaihook.Store, options ...sonzaihook.Option) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), append([]sonzaihook.Option{
		sonzaihook.WithStore(store), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)...)
	require.NoError(t, err)
	return hooks
}

func moodChange(n int) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":"evt_%d","data":{"label":"calm"}}`, n)
}

func findEviction(t *testing.T, client *redis.Client) {
	store := newStore(t, client)
	require.NoError(t, store.Check(t.Context()))
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	err := store.Check(t.Context())
	require.ErrorIs(t, err, redishook.ErrUnsafeServer)
	require.ErrorContains(t, err, "allkeys-lru")
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
	require.NoError(t, store.Check(t.Context()))
}

func fill(t *testing.T) {
	client := newClient(t, start(t).Addr())
	store := newStore(t, client)
	_, err := store.Claim(t.Context(), "running", "a", time.Hour)
	require.NoError(t, err)
	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "1").Err())

	_, err = store.Claim(t.Context(), "new", "b", time.Hour)
	require.ErrorContains(t, err, "OOM")
	answer := hooktest.Deliver(t, newReceiverThatMustNotRun(t, store), moodChange(1))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), sonzaihook.CodeStoreUnavailable)
	require.NoError(t, store.Release(t.Context(), "running", "a"), "what frees memory is allowed")

	require.NoError(t, client.ConfigSet(t.Context(), "maxmemory", "0").Err())
	state, err := store.Claim(t.Context(), "new", "b", time.Hour)
	require.NoError(t, err)
	require.Equal(t, sonzaihook.Claimed, state)
}

func newReceiverThatMustNotRun(t *testing.T, store sonzaihook.Store) *sonzaihook.Receiver {
	hooks := newReceiver(t, store)
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		t.Error("a callback ran without a claim")
		return nil
	})
	return hooks
}

// stall stops the server with a signal: its connections stay open and nothing
// answers. Claims are refused in a second; a claim that is carried out when the
// server goes on delays a retry by its lease and no more.
func stall(t *testing.T) {
	server := start(t)
	client := newClient(t, server.Addr())
	store := newStore(t, client)
	require.NoError(t, client.Ping(t.Context()).Err())
	require.NoError(t, server.Stall())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := store.Claim(ctx, "k", "a", time.Second)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 5*time.Second)

	answer := hooktest.Deliver(t, newReceiverThatMustNotRun(t, store), moodChange(1))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Equal(t, "5", answer.Header().Get("Retry-After"))
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), sonzaihook.CodeStoreUnavailable)

	require.NoError(t, server.Resume())
	require.Eventually(t, func() bool {
		state, err := store.Claim(t.Context(), "k", "b", time.Hour)
		return err == nil && state == sonzaihook.Claimed
	}, 10*time.Second, 20*time.Millisecond)
}

func crash(t *testing.T) {
	server := start(t)
	store := newStore(t, newClient(t, server.Addr()))
	for _, key := range []string{"done", "running"} {
		_, err := store.Claim(t.Context(), key, "a", time.Hour)
		require.NoError(t, err)
	}
	require.NoError(t, store.Commit(t.Context(), "done", "a", time.Hour))
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := store.Claim(ctx, "new", "a", time.Hour)
	require.Error(t, err)
	require.NoError(t, server.Restart(t.Context()))

	for key, want := range map[string]sonzaihook.State{"done": sonzaihook.Done, "running": sonzaihook.InFlight, "new": sonzaihook.Claimed} {
		state, err := store.Claim(t.Context(), key, "b", time.Hour)
		require.NoError(t, err)
		require.Equal(t, want, state, key)
	}
	require.NoError(t, store.Commit(t.Context(), "running", "a", time.Hour))
}
