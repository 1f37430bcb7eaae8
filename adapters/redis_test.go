package adapters_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/adapters/rueidishook"
)

// An application may move from one client to the other, instance by instance.
func TestStoresOnRedisRecogniseEachOthersDeliveries(t *testing.T) {
	t.Parallel()
	addr := miniredis.RunT(t).Addr()
	for _, prefix := range []string{redishook.DefaultPrefix, "shop:", "shop", ""} {
		one, err := redishook.New(newGoRedis(t, addr), redishook.WithPrefix(prefix))
		require.NoError(t, err)
		other, err := rueidishook.New(newRueidis(t, addr), rueidishook.WithPrefix(prefix))
		require.NoError(t, err)
		for _, pair := range [][2]sonzaihook.Store{{one, other}, {other, one}} {
			key := "agent.wakeup:wk_1 " + time.Now().String()
			state, err := pair[0].Claim(t.Context(), key, "a", time.Hour)
			require.NoError(t, err)
			require.Equal(t, sonzaihook.Claimed, state)
			state, err = pair[1].Claim(t.Context(), key, "b", time.Hour)
			require.NoError(t, err)
			require.Equal(t, sonzaihook.InFlight, state)
			require.ErrorIs(t, pair[1].Commit(t.Context(), key, "b", time.Hour), sonzaihook.ErrLeaseLost)
			require.NoError(t, pair[0].Commit(t.Context(), key, "a", time.Hour))
			state, err = pair[1].Claim(t.Context(), key, "b", time.Hour)
			require.NoError(t, err)
			require.Equal(t, sonzaihook.Done, state)
			require.NoError(t, pair[1].Commit(t.Context(), key, "b", time.Hour), "what is done stays done")
		}
	}
	require.Equal(t, redishook.DefaultPrefix, rueidishook.DefaultPrefix)
}

func newGoRedis(t testing.TB, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newRueidis(t testing.TB, addr string) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}
