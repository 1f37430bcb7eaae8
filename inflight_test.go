package sonzaihook_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func numbered(n int) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.wakeup","event_id":"evt_%d","data":{"wakeup":{"wakeup_id":"wk_%d"}}}`, n, n)
}

func TestPastTheBoundADeliveryIsPutOff(t *testing.T) {
	t.Parallel()
	inBubble(t, "and the bound is exact", func(t *testing.T) {
		const bound = 3
		hooks := leaseReceiver(t, sonzaihook.NewMemoryStore(100), sonzaihook.WithMaxInFlight(bound))
		hooks.HandleFunc(sleepDeaf(10 * time.Second))
		answers := make(chan string, bound)
		for i := range bound {
			go func() { answers <- code(t, hooktest.Deliver(t, hooks, numbered(i))) }()
		}
		time.Sleep(time.Second)
		began := time.Now()
		for i := range 100 {
			answer := hooktest.Deliver(t, hooks, numbered(bound+i))
			require.Equal(t, http.StatusServiceUnavailable, answer.Code)
			require.Equal(t, sonzaihook.CodeOverloaded, code(t, answer))
			require.Equal(t, "1", answer.Header().Get("Retry-After"))
		}
		require.Zero(t, time.Since(began), "nothing waits in a queue")
		require.Equal(t, bound, hooks.Runs.Len())
		for range bound {
			require.Equal(t, sonzaihook.CodeProcessed, <-answers)
		}
		require.Equal(t, sonzaihook.CodeProcessed, code(t, hooktest.Deliver(t, hooks, numbered(bound))))
	})
}

func TestALateCallbackCountsAsRunning(t *testing.T) {
	t.Parallel()
	inBubble(t, "until it returns", func(t *testing.T) {
		hooks := leaseReceiver(t, sonzaihook.NewMemoryStore(100),
			sonzaihook.WithMaxInFlight(1), sonzaihook.WithHandlerTimeout(time.Second))
		hooks.HandleFunc(sleepDeaf(10 * time.Second))
		require.Equal(t, sonzaihook.CodeFailed, code(t, hooktest.Deliver(t, hooks, numbered(0))))
		require.Equal(t, sonzaihook.CodeOverloaded, code(t, hooktest.Deliver(t, hooks, numbered(1))))
		time.Sleep(10 * time.Second)
		require.NotEqual(t, sonzaihook.CodeOverloaded, code(t, hooktest.Deliver(t, hooks, numbered(1))))
		require.NoError(t, hooks.Shutdown(t.Context()))
	})
}

func TestAClaimThatHangsCountsAsRunning(t *testing.T) {
	t.Parallel()
	inBubble(t, "so that a store that hangs cannot pile up goroutines", func(t *testing.T) {
		store := newFaultyStore(onCall("claim", 1, 1, deaf(time.Minute)))
		hooks := leaseReceiver(t, store, sonzaihook.WithMaxInFlight(1))
		hooks.HandleFunc(sleepDeaf(0))
		require.Equal(t, sonzaihook.CodeStoreUnavailable, code(t, hooktest.Deliver(t, hooks, numbered(0))))
		require.Equal(t, sonzaihook.CodeOverloaded, code(t, hooktest.Deliver(t, hooks, numbered(1))))
		time.Sleep(time.Minute)
		require.Equal(t, sonzaihook.CodeProcessed, code(t, hooktest.Deliver(t, hooks, numbered(1))))
	})
}

func TestARefusedDeliveryDoesNotCount(t *testing.T) {
	t.Parallel()
	inBubble(t, "a forged one is refused, not put off", func(t *testing.T) {
		hooks := leaseReceiver(t, sonzaihook.NewMemoryStore(100), sonzaihook.WithMaxInFlight(1))
		hooks.HandleFunc(sleepDeaf(10 * time.Second))
		answered := make(chan string)
		go func() { answered <- code(t, hooktest.Deliver(t, hooks, numbered(0))) }()
		time.Sleep(time.Second)
		require.Equal(t, sonzaihook.CodeUnauthorized, code(t, hooktest.Deliver(t, hooks, numbered(1), hooktest.Tampered())))
		require.Equal(t, sonzaihook.CodeProcessed, <-answered)
	})
}

func TestWithoutABoundManyRunAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, "zero is the default", func(t *testing.T) {
		hooks := leaseReceiver(t, sonzaihook.NewMemoryStore(10_000), sonzaihook.WithMaxInFlight(0))
		hooks.HandleFunc(func(ctx context.Context, _ int) error { return sleep(ctx, 10*time.Second) })
		const many = 1000
		answers := make(chan string, many)
		for i := range many {
			go func() { answers <- code(t, hooktest.Deliver(t, hooks, numbered(i))) }()
		}
		for range many {
			require.Equal(t, sonzaihook.CodeProcessed, <-answers)
		}
		require.Equal(t, many, hooks.Runs.Len())
	})
}

func TestImpossibleBoundsAndLeasesAreRefused(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]sonzaihook.Option{
		"a negative bound": sonzaihook.WithMaxInFlight(-1),
		"no lease":         sonzaihook.WithLease(0),
		"a negative lease": sonzaihook.WithLease(-time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), option)
			require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
		})
	}
}
