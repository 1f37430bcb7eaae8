//go:build unix

// Package redistest is what every store on Redis must pass with a real
// redis-server, whatever client it uses: the suite for stores, on a single server
// and on a cluster, and servers that hang, are full, crash or fail over.
package redistest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/redisserver"
)

// Suite is one adapter and the ways to open a store with it.
type Suite struct {
	Clients                              []Client
	ErrUnsuitableClient, ErrUnsafeServer error
}

// Client is one way to open a store.
type Client struct {
	Name string
	// Open closes what it opens when the test ends.
	Open func(t testing.TB, at Place, prefix string) Store
	// OneNode: it reaches one node of a cluster with Check.
	OneNode bool
}

// Store is what an adapter returns.
type Store interface {
	sonzaihook.Store
	Check(ctx context.Context) error
}

// Place says where Redis is.
type Place struct {
	Addr    string
	Cluster bool
	// Master is the name under which the Sentinel at Addr knows the server.
	Master string
	// Dial replaces how a connection is made, unless it is nil.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Main runs the tests of a package that mostly wait: for leases, for servers, for
// disks. So more of them run at a time than there are processors.
func Main(m *testing.M) {
	logging.Disable() // the client logs every connection that a test breaks on purpose
	flag.Parse()
	if n, err := strconv.Atoi(flag.Lookup("test.parallel").Value.String()); err == nil && n < waiting {
		_ = flag.Set("test.parallel", strconv.Itoa(waiting))
	}
	m.Run()
}

const waiting = 16

// Run runs the suite. All parts but the cluster's and the failover's share one
// server. Without a redis-server the suite is skipped.
func (s Suite) Run(t *testing.T) {
	t.Parallel()
	if err := redisserver.Installed(); err != nil {
		t.Skipf("%v; the suite for stores ran on miniredis", err)
	}
	t.Run("a server", s.onServer)
	t.Run("a cluster", s.onCluster)
	t.Run("a failover costs a duplicate and no loss", s.failOver)
}

func (s Suite) onServer(t *testing.T) {
	t.Parallel()
	server := start(t)
	admin := connect(t, server.Addr())
	t.Run("passes the suite", func(t *testing.T) {
		s.each(t, func(t *testing.T, c Client) { hooktest.RunStore(t, c.opener(Place{Addr: server.Addr()})) })
	})
	// One after the other, because these change the server for everyone.
	t.Run("an accepted delivery costs two round trips", func(t *testing.T) { s.countRoundTrips(t, server, admin) })
	t.Run("Check finds a policy that evicts", func(t *testing.T) { s.findEviction(t, server, admin) })
	t.Run("a full server refuses to claim and keeps what it has", func(t *testing.T) { s.fill(t, server, admin) })
	t.Run("a server that hangs", func(t *testing.T) { s.stall(t, server) })
	t.Run("a crash of the server forgets nothing", func(t *testing.T) { s.crash(t, server) })
}

// each runs a test with every client, all at a time.
func (s Suite) each(t *testing.T, test func(*testing.T, Client)) {
	for _, c := range s.Clients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

var prefixes atomic.Int64

// opener opens empty stores on a server that others use too.
func (c Client) opener(at Place) func(testing.TB) sonzaihook.Store {
	return func(t testing.TB) sonzaihook.Store { return c.open(t, at) }
}

func (c Client) open(t testing.TB, at Place) Store {
	t.Helper()
	return c.Open(t, at, fmt.Sprintf("suite-%d:", prefixes.Add(1)))
}

func (s Suite) onCluster(t *testing.T) {
	t.Parallel()
	server := start(t, "--cluster-enabled", "yes")
	node := connect(t, server.Addr())
	must(t, node.ClusterAddSlotsRange(t.Context(), 0, 16383).Err())
	eventually(t, "the cluster is ready", func() bool {
		state, err := node.ClusterInfo(t.Context()).Result()
		return err == nil && contains(state, "cluster_state:ok")
	})
	at := Place{Addr: server.Addr(), Cluster: true}
	s.each(t, func(t *testing.T, c Client) {
		err := c.open(t, at).Check(t.Context())
		if c.OneNode && !errors.Is(err, s.ErrUnsuitableClient) || !c.OneNode && err != nil {
			t.Errorf("Check: %v", err)
		}
		t.Run("passes the suite", func(t *testing.T) { hooktest.RunStore(t, c.opener(at)) })
	})
}

func start(t *testing.T, args ...string) *redisserver.Server {
	t.Helper()
	server, err := redisserver.Start(t.Context(), t.TempDir(), args...)
	must(t, err)
	t.Cleanup(server.Kill)
	return server
}

// connect returns a client that looks after a server.
func connect(t *testing.T, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newReceiver(t *testing.T, store sonzaihook.Store, onMood func(id string), options ...sonzaihook.Option) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), append([]sonzaihook.Option{
		sonzaihook.WithStore(store), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)...)
	must(t, err)
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		onMood(e.ID)
		return nil
	})
	return hooks
}

// moodChange returns the nth event.
func moodChange(n int) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":"evt_%d","data":{"label":"calm"}}`, n)
}
