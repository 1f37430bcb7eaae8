package redishook_test

import (
	"context"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// startMini starts a Redis in this process and lets its time pass.
func startMini(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	server := miniredis.NewMiniRedis()
	require.NoError(t, server.Start())
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		<-stopped
		server.Close()
	})
	go func() {
		defer close(stopped)
		for last := time.Now(); ; {
			select {
			case <-stop:
				return
			case now := <-time.After(5 * time.Millisecond):
				server.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	return server
}

func newClient(t testing.TB, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newStore(t testing.TB, client redis.Scripter, options ...redishook.Option) *redishook.Store {
	t.Helper()
	store, err := redishook.New(client, options...)
	require.NoError(t, err)
	return store
}

func TestStorePassesTheSuiteOnMiniredis(t *testing.T) {
	t.Parallel()
	hooktest.RunStore(t, func(t testing.TB) sonzaihook.Store {
		return newStore(t, newClient(t, startMini(t).Addr()))
	})
}

func TestNewRefusesClientsThatCannotKeepThePromise(t *testing.T) {
	t.Parallel()
	var none *redis.Client
	var noCluster *redis.ClusterClient
	var noPipeliner *redis.AutoPipeliner
	var noRing *redis.Ring
	var own *ownClient
	cases := map[string]redis.Scripter{
		"nil":                                 nil,
		"a nil client":                        none,
		"a nil pipeliner":                     noPipeliner,
		"a nil ring":                          noRing,
		"a nil client of another type":        own,
		"a nil cluster client":                noCluster,
		"a client that ignores contexts":      redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}),
		"a failover client that ignores them": redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}}),
		"a cluster client that ignores them":  redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}}),
		"a ring":                              redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}, ContextTimeoutEnabled: true}),
	}
	for name, client := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if open, ok := client.(io.Closer); ok && !reflect.ValueOf(client).IsNil() {
				defer open.Close()
			}
			store, err := redishook.New(client)
			require.ErrorIs(t, err, redishook.ErrUnsuitableClient)
			require.Nil(t, store)
		})
	}
}

// ownClient is a client of an application's own: it runs scripts, and no more.
type ownClient struct{ redis.Scripter }

// Callers declare clients as they always did, and both faces of a pipeliner fit.
var (
	_ = func(c redis.UniversalClient) (*redishook.Store, error) { return redishook.New(c) }
	_ = func(c *redis.AutoPipeliner) (*redishook.Store, error) { return redishook.New(c) }
)

// hanging is a client whose calls never return, and do not look at their context.
type hanging struct{ redis.Scripter }

func (hanging) Eval(context.Context, string, []string, ...any) *redis.Cmd { select {} }

func TestACallReturnsWithItsContextWhateverTheClientDoes(t *testing.T) {
	t.Parallel()
	store := newStore(t, hanging{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := store.Claim(ctx, "k", "a", time.Minute)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, store.Commit(ctx, "k", "a", time.Minute), context.DeadlineExceeded)
	require.ErrorIs(t, store.Release(ctx, "k", "a"), context.DeadlineExceeded)
}

// renaming is a client of an application's own that gives each key of a script a name
// of its tenant.
type renaming struct{ *redis.Client }

func (r renaming) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return r.Client.Eval(ctx, script, []string{"tenant:" + keys[0]}, args...)
}

func TestAnApplicationsOwnClientIsAskedWithScriptsAlone(t *testing.T) {
	t.Parallel()
	client := newClient(t, startMini(t).Addr())
	store := newStore(t, renaming{client})
	state, err := store.Claim(t.Context(), "k", "a", time.Minute)
	require.NoError(t, err)
	require.Equal(t, sonzaihook.Claimed, state)
	require.NoError(t, store.Commit(t.Context(), "k", "a", time.Minute))
	keys, err := client.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	require.Equal(t, []string{"tenant:sonzaihook:k"}, keys)
}

func TestCheckSaysWhenItCannotAsk(t *testing.T) {
	t.Parallel()
	err := newStore(t, ownClient{newClient(t, "127.0.0.1:1")}).Check(t.Context())
	require.ErrorIs(t, err, redishook.ErrUnsuitableClient)
	require.ErrorContains(t, err, "INFO")
}

// saying is a server that answers INFO with a text.
type saying string

func (s saying) DialHook(next redis.DialHook) redis.DialHook { return next }
func (s saying) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (s saying) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, call redis.Cmder) error {
		call.(*redis.StringCmd).SetVal(string(s))
		return nil
	}
}

func (s saying) client(t *testing.T) *redis.Client {
	client := newClient(t, "127.0.0.1:1")
	client.AddHook(s)
	return client
}

// asking is a client of an application's own that can ask one server.
type asking struct {
	redis.Scripter
	client *redis.Client
}

func (a asking) Info(ctx context.Context, sections ...string) *redis.StringCmd {
	return a.client.Info(ctx, sections...)
}

func TestCheckReadsWhatTheServerSays(t *testing.T) {
	t.Parallel()
	const (
		good    = "# Memory\r\nmaxmemory_policy:noeviction\r\n# Cluster\r\ncluster_enabled:0\r\n"
		evicts  = "maxmemory_policy:volatile-ttl\r\n"
		cluster = "maxmemory_policy:noeviction\r\ncluster_enabled:1\r\n"
	)
	for _, c := range []struct {
		name   string
		client redis.Scripter
		want   error
	}{
		{"a good server", saying(good).client(t), nil},
		{"a server that says little", saying("").client(t), nil},
		{"a server that evicts", saying(evicts).client(t), redishook.ErrUnsafeServer},
		{"a node of a cluster, which a client has to itself", saying(cluster).client(t), nil},
		{"a good server and an own client", asking{client: saying(good).client(t)}, nil},
		{"a server that evicts and an own client", asking{client: saying(evicts).client(t)}, redishook.ErrUnsafeServer},
		{"a cluster of which an own client asks one node", asking{client: saying(cluster).client(t)}, redishook.ErrUnsuitableClient},
	} {
		err := newStore(t, c.client).Check(t.Context())
		if c.want == nil {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorIs(t, err, c.want, c.name)
	}
}

func TestNewRefusesImpossibleOptions(t *testing.T) {
	t.Parallel()
	client := newClient(t, "127.0.0.1:1")
	for name, option := range map[string]redishook.Option{"nil": nil, "a negative keep": redishook.WithKeep(-1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := redishook.New(client, option)
			require.ErrorIs(t, err, redishook.ErrInvalidOption)
			require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
		})
	}
}

func TestThePrefixKeepsApplicationsApart(t *testing.T) {
	t.Parallel()
	server := startMini(t)
	client := newClient(t, server.Addr())
	plain, shop := newStore(t, client), newStore(t, client, redishook.WithPrefix("shop:"))
	bare := newStore(t, client, redishook.WithPrefix(""))
	for _, store := range []*redishook.Store{plain, shop, bare} {
		state, err := store.Claim(t.Context(), "evt_1", "a", time.Hour)
		require.NoError(t, err)
		require.Equal(t, sonzaihook.Claimed, state)
	}
	require.ElementsMatch(t, []string{"sonzaihook:evt_1", "shop:evt_1", "evt_1"}, server.Keys())
}

func TestPrefixesThatBeginAlikeShareNoKey(t *testing.T) {
	t.Parallel()
	client := newClient(t, startMini(t).Addr())
	for _, c := range []struct{ prefix, key string }{
		{"a:", "b:c"}, {"a:b:", "c"}, {"", "a:b:c"}, {"a", ":b:c"}, {"a:b", ":c"}, {"a:b:c", ""},
		{redishook.DefaultPrefix, "x:y"}, {redishook.DefaultPrefix + "x:", "y"}, {"", redishook.DefaultPrefix + "x:y"},
	} {
		state, err := newStore(t, client, redishook.WithPrefix(c.prefix)).Claim(t.Context(), c.key, c.prefix, time.Hour)
		require.NoError(t, err)
		require.Equal(t, sonzaihook.Claimed, state, "%q %q", c.prefix, c.key)
	}
}

func TestWithKeepReplacesWhatTheReceiverAsksFor(t *testing.T) {
	t.Parallel()
	server := startMini(t)
	client := newClient(t, server.Addr())
	for name, c := range map[string]struct {
		option redishook.Option
		want   time.Duration
	}{
		"unset": {redishook.WithKeep(0), 72 * time.Hour},
		"a day": {redishook.WithKeep(24 * time.Hour), 24 * time.Hour},
	} {
		store := newStore(t, client, redishook.WithPrefix(name+":"), c.option)
		_, err := store.Claim(t.Context(), "k", "a", time.Minute)
		require.NoError(t, err)
		require.NoError(t, store.Commit(t.Context(), "k", "a", 72*time.Hour))
		require.InDelta(t, c.want, server.TTL(name+":k"), float64(time.Minute))
	}
}

func TestErrorsOfTheServerAreWrapped(t *testing.T) {
	t.Parallel()
	server := startMini(t)
	store := newStore(t, newClient(t, server.Addr()))
	_, err := server.Lpush("sonzaihook:list", "not ours")
	require.NoError(t, err)

	_, err = store.Claim(t.Context(), "list", "a", time.Minute)
	for call, err := range map[string]error{
		"claim":   err,
		"commit":  store.Commit(t.Context(), "list", "a", time.Minute),
		"release": store.Release(t.Context(), "list", "a"),
	} {
		require.ErrorContains(t, err, "redishook: "+call+": ")
		require.ErrorContains(t, err, "WRONGTYPE")
		require.NotErrorIs(t, err, sonzaihook.ErrLeaseLost)
	}
}

func TestAServerThatIsGoneIsAnError(t *testing.T) {
	t.Parallel()
	server := startMini(t)
	store := newStore(t, newClient(t, server.Addr()))
	server.SetError("LOADING the data set is being read")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := store.Claim(ctx, "k", "a", time.Minute)
	require.Error(t, err)
	require.NotErrorIs(t, err, sonzaihook.ErrLeaseLost)
}
