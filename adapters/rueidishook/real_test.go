//go:build unix

package rueidishook_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/adapters/internal/redistest"
	"github.com/sonzaihook/sonzaihook/adapters/rueidishook"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// TestRealRedis holds everything that needs a redis-server, so that a machine
// without one says so once.
func TestRealRedis(t *testing.T) {
	redistest.Suite{
		Clients: []redistest.Client{
			{Name: "a client", Open: open(func(*rueidis.ClientOption) {})},
			{Name: "a client that always pipelines", Open: open(func(o *rueidis.ClientOption) { o.AlwaysPipelining = true })},
		},
		ErrUnsuitableClient: rueidishook.ErrUnsuitableClient,
		ErrUnsafeServer:     rueidishook.ErrUnsafeServer,
	}.Run(t)
}

func open(change func(*rueidis.ClientOption)) func(testing.TB, redistest.Place, string) redistest.Store {
	return func(t testing.TB, at redistest.Place, prefix string) redistest.Store {
		t.Helper()
		options := rueidis.ClientOption{
			InitAddress:       []string{at.Addr},
			ForceSingleClient: !at.Cluster && at.Master == "",
			DisableCache:      true,
		}
		options.Sentinel.MasterSet = at.Master
		options.Sentinel.TopologyRefreshInterval = time.Second
		if at.Dial != nil {
			options.Dialer.KeepAlive = time.Minute // the client sends a PING as often
			options.DialCtxFn = func(ctx context.Context, addr string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
				return at.Dial(ctx, addr)
			}
		}
		change(&options)
		return newStore(t, newClient(t, options), rueidishook.WithPrefix(prefix))
	}
}

func newClient(t testing.TB, options rueidis.ClientOption) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(options)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

func newStore(t testing.TB, client rueidis.Client, options ...rueidishook.Option) *rueidishook.Store {
	t.Helper()
	store, err := rueidishook.New(client, options...)
	require.NoError(t, err)
	return store
}
