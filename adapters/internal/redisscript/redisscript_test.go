package redisscript

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
)

func TestKeysOfDifferentPrefixesAreDifferent(t *testing.T) {
	t.Parallel()
	parts := []string{"", "a", "b", ":", "%", "3A", "25", "sonzaihook", "sonzaihook:", "a:", "a:b:", "%:", "%25"}
	seen := map[string][2]string{}
	for _, p1 := range parts {
		for _, p2 := range parts {
			for _, i1 := range parts {
				for _, i2 := range parts {
					pair := [2]string{p1 + p2, i1 + i2}
					key := newKeyspace(pair[0]).key(pair[1])
					other, known := seen[key]
					require.True(t, !known || other == pair, "%q and %q are both %q", other, pair, key)
					seen[key] = pair
				}
			}
		}
	}
}

func FuzzKeysOfDifferentPrefixesAreDifferent(f *testing.F) {
	f.Add("a:", "b:c", "a:b:", "c")
	f.Add("shop", "%:x", "shop%:", "x")
	f.Add("sonzaihook:", "x:y", "sonzaihook:x:", "y")
	f.Add("", "a:b", "a:", "b")
	f.Fuzz(func(t *testing.T, prefix1, identity1, prefix2, identity2 string) {
		same := newKeyspace(prefix1).key(identity1) == newKeyspace(prefix2).key(identity2)
		require.Equal(t, prefix1 == prefix2 && identity1 == identity2, same)
	})
}

func TestKeysStayAsTheyWereWhereTheyAreClear(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ prefix, identity, want string }{
		{DefaultPrefix, "evt_1", "sonzaihook:evt_1"},
		{DefaultPrefix, "agent.wakeup:wk_1%", "sonzaihook:agent.wakeup:wk_1%"},
		{"shop:", "evt_1", "shop:evt_1"},
		{"", "evt_1", "evt_1"},
		// these changed
		{"shop:", "agent.wakeup:wk_1", "shop:agent.wakeup%3Awk_1"},
		{"{shop}", "evt_1", "{shop}%:evt_1"},
		{"sonzaihook:shop:", "evt_1", "sonzaihook%3Ashop:evt_1"},
	} {
		require.Equal(t, c.want, newKeyspace(c.prefix).key(c.identity))
	}
}

func TestLengthsOfTimeAreWholeMillisecondsAndNeverZero(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "1", 1: "1", time.Millisecond: "1", time.Millisecond + 1: "2", -time.Hour: "1",
		1<<63 - 1: "9223372036855",
	} {
		require.Equal(t, want, milliseconds(d), d)
	}
}

func TestAnAnswerThatNoScriptGivesIsAnError(t *testing.T) {
	t.Parallel()
	store := NewStore("hook", "", 0, false, func(context.Context, string, string, ...string) (int64, error) { return 7, nil })
	_, err := store.Claim(t.Context(), "k", "a", time.Second)
	require.ErrorContains(t, err, "hook: claim: unexpected answer 7")
	require.ErrorIs(t, store.Commit(t.Context(), "k", "a", time.Second), sonzaihook.ErrLeaseLost)
}

func TestAClaimThatSetDecidesNeedsNoScript(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		value string
		there bool
		want  sonzaihook.State
		calls []string
	}{
		{"no claim", "", false, sonzaihook.Claimed, []string{SetOrGet}},
		{"a claim of another holder", ":b", true, sonzaihook.InFlight, []string{SetOrGet}},
		{"a claim of this holder, which the script extends", ":a", true, sonzaihook.Claimed, []string{SetOrGet, claimScript}},
		{"done", "done", true, sonzaihook.Done, []string{SetOrGet}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			store := NewStore("hook", "", 0, true, func(_ context.Context, script, _ string, args ...string) (int64, error) {
				calls = append(calls, script)
				require.Equal(t, []string{":a", "1000"}, args)
				if script == SetOrGet {
					return Found(test.value, test.there, args[0]), nil
				}
				return granted, nil
			})
			state, err := store.Claim(t.Context(), "k", "a", time.Second)
			require.NoError(t, err)
			require.Equal(t, test.want, state)
			require.Equal(t, test.calls, calls)
		})
	}
}

func TestAServerBeforeRedis7IsAskedWithTheScriptAlone(t *testing.T) {
	t.Parallel()
	var sets, scripts int
	store := NewStore("hook", "", 0, true, func(_ context.Context, script, _ string, _ ...string) (int64, error) {
		if script == SetOrGet {
			sets++
			return 0, errors.New("ERR syntax error")
		}
		scripts++
		return granted, nil
	})
	for range 3 {
		state, err := store.Claim(t.Context(), "k", "a", time.Second)
		require.NoError(t, err)
		require.Equal(t, sonzaihook.Claimed, state)
	}
	require.Equal(t, 1, sets)
	require.Equal(t, 3, scripts)
}

func TestAnErrorOfSetIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	failure := errors.New("OOM command not allowed when used memory > 'maxmemory'")
	store := NewStore("hook", "", 0, true, func(_ context.Context, script, _ string, _ ...string) (int64, error) {
		require.Equal(t, SetOrGet, script)
		return 0, failure
	})
	for range 2 {
		_, err := store.Claim(t.Context(), "k", "a", time.Second)
		require.ErrorIs(t, err, failure)
	}
}

func TestAwaitReturnsWhatTheClientReturns(t *testing.T) {
	t.Parallel()
	failure := errors.New("connection refused")
	run := Await(func(_ context.Context, script, key string, args ...string) (int64, error) {
		require.Equal(t, "script key a b", strings.Join(append([]string{script, key}, args...), " "))
		return 3, failure
	})
	value, err := run(t.Context(), "script", "key", "a", "b")
	require.EqualValues(t, 3, value)
	require.ErrorIs(t, err, failure)
}

func TestAwaitReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	run := Await(func(context.Context, string, string, ...string) (int64, error) {
		<-release
		return granted, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := run(ctx, "", "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = run(ctx, "", "")
	require.ErrorIs(t, err, context.Canceled)
}

func TestAwaitSurvivesTheClient(t *testing.T) {
	t.Parallel()
	_, err := Await(func(context.Context, string, string, ...string) (int64, error) { panic("a bug") })(t.Context(), "", "")
	require.ErrorContains(t, err, "the client panicked: a bug")
	_, err = Await(func(context.Context, string, string, ...string) (int64, error) {
		runtime.Goexit()
		return 0, nil
	})(t.Context(), "", "")
	require.ErrorIs(t, err, errNoAnswer)
}
