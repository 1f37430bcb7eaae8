//go:build unix

package redishook_test

import (
	"context"
	"net"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/adapters/internal/redistest"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// TestRealRedis holds everything that needs a redis-server, so that a machine
// without one says so once.
func TestRealRedis(t *testing.T) {
	redistest.Suite{
		Clients: []redistest.Client{
			{Name: "a client", Open: open(func(c redis.UniversalClient) (redis.Scripter, error) { return c, nil })},
			{Name: "a pipeliner", OneNode: true, Open: open(func(c redis.UniversalClient) (redis.Scripter, error) { return c.AutoPipeline() })},
			{Name: "a deferred pipeliner", OneNode: true, Open: open(func(c redis.UniversalClient) (redis.Scripter, error) { return c.AsyncAutoPipeline() })},
		},
		ErrUnsuitableClient: redishook.ErrUnsuitableClient,
		ErrUnsafeServer:     redishook.ErrUnsafeServer,
	}.Run(t)
}

// open returns how a store is opened with a client of which wrap makes what runs
// the scripts.
func open(wrap func(redis.UniversalClient) (redis.Scripter, error)) func(testing.TB, redistest.Place, string) redistest.Store {
	return func(t testing.TB, at redistest.Place, prefix string) redistest.Store {
		t.Helper()
		client := newUniversalClient(at)
		t.Cleanup(func() { _ = client.Close() })
		runner, err := wrap(client)
		require.NoError(t, err)
		return newStore(t, runner, redishook.WithPrefix(prefix))
	}
}

func newUniversalClient(at redistest.Place) redis.UniversalClient {
	options := redis.UniversalOptions{
		Addrs: []string{at.Addr}, MasterName: at.Master, IsClusterMode: at.Cluster, ContextTimeoutEnabled: true,
	}
	if at.Dial != nil {
		options.Dialer = func(ctx context.Context, _, addr string) (net.Conn, error) { return at.Dial(ctx, addr) }
	}
	return redis.NewUniversalClient(&options)
}
