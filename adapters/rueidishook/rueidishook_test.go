package rueidishook_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/rueidishook"
)

// mini returns a Redis in this process and a client of it.
func mini(t testing.TB) (*miniredis.Miniredis, rueidis.Client) {
	t.Helper()
	server := miniredis.RunT(t)
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.Addr()}, ForceSingleClient: true, DisableCache: true,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return server, client
}

// ownClient is a client of an application's own.
type ownClient struct{ rueidis.Client }

func TestNewRefusesNilInEveryForm(t *testing.T) {
	t.Parallel()
	var own *ownClient
	for name, client := range map[string]rueidis.Client{"nil": nil, "a nil client": own} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, err := rueidishook.New(client)
			require.ErrorIs(t, err, rueidishook.ErrUnsuitableClient)
			require.Nil(t, store)
		})
	}
}

func TestNewRefusesImpossibleOptions(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]rueidishook.Option{"nil": nil, "a negative keep": rueidishook.WithKeep(-1)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := rueidishook.New(ownClient{}, option)
			require.ErrorIs(t, err, rueidishook.ErrInvalidOption)
			require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
		})
	}
}

func TestThePrefixKeepsApplicationsApart(t *testing.T) {
	t.Parallel()
	server, client := mini(t)
	for _, options := range [][]rueidishook.Option{
		nil, {rueidishook.WithPrefix("shop:")}, {rueidishook.WithPrefix("")},
	} {
		store, err := rueidishook.New(client, options...)
		require.NoError(t, err)
		state, err := store.Claim(t.Context(), "evt_1", "a", time.Hour)
		require.NoError(t, err)
		require.Equal(t, sonzaihook.Claimed, state)
	}
	require.ElementsMatch(t, []string{"sonzaihook:evt_1", "shop:evt_1", "evt_1"}, server.Keys())
}

func TestWithKeepReplacesWhatTheReceiverAsksFor(t *testing.T) {
	t.Parallel()
	server, client := mini(t)
	for name, c := range map[string]struct {
		option rueidishook.Option
		want   time.Duration
	}{
		"unset:": {rueidishook.WithKeep(0), 72 * time.Hour},
		"a day:": {rueidishook.WithKeep(24 * time.Hour), 24 * time.Hour},
	} {
		store, err := rueidishook.New(client, rueidishook.WithPrefix(name), c.option)
		require.NoError(t, err)
		_, err = store.Claim(t.Context(), "k", "a", time.Minute)
		require.NoError(t, err)
		require.NoError(t, store.Commit(t.Context(), "k", "a", 72*time.Hour))
		require.InDelta(t, c.want, server.TTL(name+"k"), float64(time.Minute))
	}
}

func TestErrorsOfTheServerAreWrapped(t *testing.T) {
	t.Parallel()
	server, client := mini(t)
	store, err := rueidishook.New(client)
	require.NoError(t, err)
	_, err = server.Lpush("sonzaihook:list", "not ours")
	require.NoError(t, err)

	_, err = store.Claim(t.Context(), "list", "a", time.Minute)
	for call, err := range map[string]error{
		"claim":   err,
		"commit":  store.Commit(t.Context(), "list", "a", time.Minute),
		"release": store.Release(t.Context(), "list", "a"),
	} {
		require.ErrorContains(t, err, "rueidishook: "+call+": ")
		require.ErrorContains(t, err, "WRONGTYPE")
		require.NotErrorIs(t, err, sonzaihook.ErrLeaseLost)
	}
}

// moody is a client of which some calls end only with their context, and some never.
type moody struct {
	rueidis.Client
	mood atomic.Int64
}

const (
	answers = iota
	endsWithContext
	hangs
)

func (m *moody) Do(ctx context.Context, c rueidis.Completed) rueidis.RedisResult {
	switch m.mood.Load() {
	case endsWithContext:
		<-ctx.Done()
		return rueidis.NewErrorResult(ctx.Err())
	case hangs:
		select {}
	}
	return m.Client.Do(ctx, c)
}

// A client hangs while it opens its first connections, and again once calls have
// gone unanswered for so long that a connection has no room for more.
func TestACallReturnsWithItsContextWhateverTheClientDoes(t *testing.T) {
	t.Parallel()
	_, client := mini(t)
	moods := &moody{Client: client}
	store, err := rueidishook.New(moods)
	require.NoError(t, err)
	claim := func() error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if moods.mood.Load() != answers {
			time.AfterFunc(10*time.Millisecond, cancel)
		}
		_, err := store.Claim(ctx, "k", "a", time.Minute)
		return err
	}
	for _, mood := range []int64{hangs, hangs, endsWithContext, hangs} {
		moods.mood.Store(mood)
		require.ErrorIs(t, claim(), context.Canceled)
	}
	moods.mood.Store(answers)
	for range 1000 {
		require.NoError(t, claim())
	}
	for _, mood := range []int64{endsWithContext, hangs, hangs} {
		moods.mood.Store(mood)
		require.ErrorIs(t, claim(), context.Canceled)
	}
	moods.mood.Store(answers)
	require.NoError(t, claim())
}

func TestCheckReturnsTheErrorOfAServerThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	server, client := mini(t)
	store, err := rueidishook.New(client)
	require.NoError(t, err)
	server.SetError("NOPERM this user has no permissions to run the 'info' command")
	err = store.Check(t.Context())
	require.ErrorContains(t, err, "rueidishook: check: ")
	require.ErrorContains(t, err, "NOPERM")
	require.NotErrorIs(t, err, rueidishook.ErrUnsafeServer)
}
