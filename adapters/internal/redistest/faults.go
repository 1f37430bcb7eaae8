//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// countingConn counts what is written: with one call at a time a client writes a
// command whole and then waits for its answer, so a write is a round trip.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// countRoundTrips counts on the wire, and compares with what the server says that
// it was asked.
func (s Suite) countRoundTrips(t *testing.T, server *redisserver.Server, admin *redis.Client) {
	const deliveries = 50
	for _, c := range s.Clients {
		var writes atomic.Int64
		store := c.open(t, Place{Addr: server.Addr(), Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			return countingConn{conn, &writes}, err
		}})
		for i := range 64 { // each connection begins with a greeting, and a client may have several
			must(t, store.Release(t.Context(), fmt.Sprint("none-", i), "a"))
		}
		must(t, admin.ScriptFlush(t.Context()).Err()) // as after a restart
		must(t, admin.ConfigResetStat(t.Context()).Err())
		hooks := newReceiver(t, store, func(string) {})
		before := writes.Load()
		for i := range deliveries {
			answers(t, hooks, moodChange(i), http.StatusOK)
		}
		equal(t, c.Name+": round trips", writes.Load()-before, 2*deliveries)
		stats, err := admin.Info(t.Context(), "commandstats").Result()
		must(t, err)
		if !contains(stats, "cmdstat_eval:calls=50,") || !contains(stats, "cmdstat_set:calls=100,") || contains(stats, "cmdstat_evalsha") {
			t.Errorf("%s: the server was asked otherwise: %s", c.Name, stats)
		}
		before = writes.Load()
		for i := range deliveries {
			answers(t, hooks, moodChange(i), http.StatusOK)
		}
		equal(t, c.Name+": round trips for copies", writes.Load()-before, deliveries)
	}
}

func (s Suite) findEviction(t *testing.T, server *redisserver.Server, admin *redis.Client) {
	for _, c := range s.Clients {
		store := c.open(t, Place{Addr: server.Addr()})
		must(t, store.Check(t.Context()))
		must(t, admin.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
		err := store.Check(t.Context())
		if !errors.Is(err, s.ErrUnsafeServer) || !contains(err.Error(), "allkeys-lru") {
			t.Errorf("%s: Check: %v", c.Name, err)
		}
		must(t, admin.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err())
		must(t, store.Check(t.Context()))
	}
}

func (s Suite) fill(t *testing.T, server *redisserver.Server, admin *redis.Client) {
	for _, c := range s.Clients {
		store := c.open(t, Place{Addr: server.Addr()})
		claims(t, store, "running", "a", sonzaihook.Claimed)
		must(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())

		_, err := store.Claim(t.Context(), "new", "b", time.Hour)
		if err == nil || !contains(err.Error(), "OOM") {
			t.Errorf("%s: Claim: %v", c.Name, err)
		}
		answer := answers(t, newReceiver(t, store, mustNotRun(t)), moodChange(1), http.StatusServiceUnavailable)
		equal(t, "code", contains(answer.Body.String(), sonzaihook.CodeStoreUnavailable), true)
		must(t, store.Release(t.Context(), "running", "a")) // what frees memory is allowed

		must(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
		claims(t, store, "new", "b", sonzaihook.Claimed)
	}
}

func mustNotRun(t *testing.T) func(string) {
	return func(string) { t.Error("a callback ran without a claim") }
}

// stall stops the server with a signal: its connections stay open and nothing
// answers. Claims are refused in a second; a claim that is carried out when the
// server goes on delays a retry by its lease and no more.
func (s Suite) stall(t *testing.T, server *redisserver.Server) {
	stores := s.openAll(t, server)
	for _, store := range stores {
		claims(t, store, "connected", "a", sonzaihook.Claimed)
	}
	must(t, server.Stall())
	t.Run("stalled", func(t *testing.T) {
		s.each(t, func(t *testing.T, c Client) {
			store := stores[c.Name]
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := store.Claim(ctx, "k", "a", time.Second)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
				t.Errorf("Claim after %v: %v", time.Since(began), err)
			}
			answer := answers(t, newReceiver(t, store, mustNotRun(t)), moodChange(1), http.StatusServiceUnavailable)
			equal(t, "Retry-After", answer.Header().Get("Retry-After"), "5")
			equal(t, "code", contains(answer.Body.String(), sonzaihook.CodeStoreUnavailable), true)
		})
	})
	must(t, server.Resume())
	for name, store := range stores {
		t.Run(name+" goes on", func(t *testing.T) { becomes(t, store, "k", sonzaihook.Claimed) })
	}
}

// crash kills the server and starts it again. A claim that was cut short may be
// carried out then, and delays the next one by its lease.
func (s Suite) crash(t *testing.T, server *redisserver.Server) {
	stores := s.openAll(t, server)
	for _, store := range stores {
		claims(t, store, "done", "a", sonzaihook.Claimed)
		claims(t, store, "running", "a", sonzaihook.Claimed)
		must(t, store.Commit(t.Context(), "done", "a", time.Hour))
	}
	server.Kill()
	t.Run("down", func(t *testing.T) {
		s.each(t, func(t *testing.T, c Client) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := stores[c.Name].Claim(ctx, "new", "a", time.Second); err == nil {
				t.Error("a claim was granted by a server that is down")
			}
		})
	})
	must(t, server.Restart(t.Context()))
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			becomes(t, store, "done", sonzaihook.Done)
			claims(t, store, "running", "b", sonzaihook.InFlight)
			becomes(t, store, "new", sonzaihook.Claimed)
			must(t, store.Commit(t.Context(), "running", "a", time.Hour))
		})
	}
}

// openAll returns a store for each client, by its name.
func (s Suite) openAll(t *testing.T, server *redisserver.Server) map[string]Store {
	stores := map[string]Store{}
	for _, c := range s.Clients {
		stores[c.Name] = c.open(t, Place{Addr: server.Addr()})
	}
	return stores
}
