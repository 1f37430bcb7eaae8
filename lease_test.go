package sonzaihook_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// These tests run in bubbles of fake time: what they say of seconds is exact.

func leaseReceiver(t *testing.T, store sonzaihook.Store, options ...sonzaihook.Option) *recorder.Receiver {
	t.Helper()
	return recorder.New(t, nil, append([]sonzaihook.Option{sonzaihook.WithStore(store)}, options...)...)
}

func deliverWakeup(t *testing.T, hooks http.Handler) string {
	t.Helper()
	return code(t, hooktest.Deliver(t, hooks, fixed(t, sonzaihook.EventWakeup)))
}

// sleepDeaf sleeps without a look at its context.
func sleepDeaf(d time.Duration) func(context.Context, int) error {
	return func(context.Context, int) error {
		time.Sleep(d)
		return nil
	}
}

// sleep sleeps until its context ends, and returns the cause then.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

func TestASlowCallbackKeepsItsClaim(t *testing.T) {
	t.Parallel()
	for _, lease := range []time.Duration{500 * time.Millisecond, 3 * time.Second, 30 * time.Second} {
		inBubble(t, lease.String(), func(t *testing.T) {
			store := newFaultyStore(nil)
			first := leaseReceiver(t, store, sonzaihook.WithLease(lease), sonzaihook.WithHandlerTimeout(0))
			second := leaseReceiver(t, store, sonzaihook.WithLease(lease))
			first.HandleFunc(sleepDeaf(10 * lease))
			second.HandleFunc(sleepDeaf(0))
			answered := make(chan string)
			go func() { answered <- deliverWakeup(t, first) }()
			time.Sleep(lease / 10)
			for range 19 { // to the end of the callback
				require.Equal(t, sonzaihook.CodeInFlight, deliverWakeup(t, second))
				time.Sleep(lease / 2)
			}
			require.Equal(t, sonzaihook.CodeProcessed, <-answered)
			require.Equal(t, sonzaihook.CodeDuplicate, deliverWakeup(t, second))
			require.Equal(t, 1, first.Runs.Len())
			require.Zero(t, second.Runs.Len())
		})
	}
}

func TestAClaimIsRenewedAtAThirdOfTheLease(t *testing.T) {
	t.Parallel()
	for _, lease := range []time.Duration{900 * time.Millisecond, 3 * time.Second, 30 * time.Second} {
		inBubble(t, lease.String(), func(t *testing.T) {
			store := newFaultyStore(nil)
			hooks := leaseReceiver(t, store, sonzaihook.WithLease(lease), sonzaihook.WithHandlerTimeout(0))
			hooks.HandleFunc(sleepDeaf(3*lease + lease/10))
			require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
			claims := store.times("claim")
			require.Len(t, claims, 10, "the claim itself and nine renewals")
			for i, at := range claims[1:] {
				require.InDelta(t, time.Duration(i+1)*lease/3, at, float64(time.Millisecond))
			}
		})
	}
}

func TestAQuickCallbackRenewsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, "one claim and one commit", func(t *testing.T) {
		store := newFaultyStore(nil)
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(3*time.Second))
		hooks.HandleFunc(sleepDeaf(900 * time.Millisecond))
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
		require.Len(t, store.times("claim"), 1)
		require.Len(t, store.times("commit"), 1)
		require.Empty(t, store.times("release"))
	})
}

func TestALateCallbackKeepsItsClaimUntilItReturns(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err      error
		panics   bool
		then     string
		wantRuns int
	}{
		"and its success counts":   {then: sonzaihook.CodeDuplicate, wantRuns: 1},
		"and its failure is free":  {err: errors.New("late"), then: sonzaihook.CodeProcessed, wantRuns: 2},
		"and its panic is as free": {panics: true, then: sonzaihook.CodeProcessed, wantRuns: 2},
	}
	for name, c := range cases {
		inBubble(t, name, func(t *testing.T) {
			hooks := leaseReceiver(t, newFaultyStore(nil),
				sonzaihook.WithLease(3*time.Second), sonzaihook.WithHandlerTimeout(2*time.Second))
			causes := make(chan error, 1)
			hooks.HandleFunc(func(ctx context.Context, n int) error {
				if n > 1 {
					return nil
				}
				<-ctx.Done()
				causes <- context.Cause(ctx)
				time.Sleep(20 * time.Second)
				if c.panics {
					panic("late")
				}
				return c.err
			})
			began := time.Now()
			require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))
			require.InDelta(t, 2*time.Second, time.Since(began), float64(200*time.Millisecond))
			for time.Since(began) < 21*time.Second {
				require.Equal(t, sonzaihook.CodeInFlight, deliverWakeup(t, hooks))
				time.Sleep(time.Second)
			}
			time.Sleep(2 * time.Second)
			require.ErrorIs(t, <-causes, sonzaihook.ErrHandlerTimeout)
			require.Equal(t, c.then, deliverWakeup(t, hooks))
			require.Equal(t, c.wantRuns, hooks.Runs.Len())
		})
	}
}

func TestAClaimThatFailsOrHangsRunsNothing(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault func(context.Context) error
		after time.Duration
	}{
		"fails":                         {down, 0},
		"hangs until its context ends":  {hang, time.Second},
		"hangs longer than its context": {deaf(20 * time.Second), time.Second},
	}
	for name, c := range cases {
		inBubble(t, name, func(t *testing.T) {
			store := newFaultyStore(onCall("claim", 1, 1, c.fault))
			hooks := leaseReceiver(t, store)
			hooks.HandleFunc(sleepDeaf(0))
			began := time.Now()
			answer := hooktest.Deliver(t, hooks, fixed(t, sonzaihook.EventWakeup))
			require.Equal(t, sonzaihook.CodeStoreUnavailable, code(t, answer))
			require.Equal(t, http.StatusServiceUnavailable, answer.Code)
			require.Equal(t, "5", answer.Header().Get("Retry-After"))
			require.Equal(t, c.after, time.Since(began))

			require.NoError(t, hooks.Shutdown(t.Context()), "a shutdown waits for the claim")
			require.Zero(t, hooks.Runs.Len(), "a claim that came too late ran all the same")
			again := leaseReceiver(t, store)
			again.HandleFunc(sleepDeaf(0))
			require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, again), "a claim that came too late was not given back")
		})
	}
}

func TestSettlingThatFailsOrHangsChangesNoAnswer(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{"commit": sonzaihook.CodeProcessed, "release": sonzaihook.CodeFailed} {
		for name, c := range map[string]struct {
			fault func(context.Context) error
			after time.Duration
		}{
			"fails":                         {down, 0},
			"hangs until its context ends":  {hang, time.Second},
			"hangs longer than its context": {deaf(20 * time.Second), 2 * time.Second},
		} {
			inBubble(t, kind+" "+name, func(t *testing.T) {
				hooks := leaseReceiver(t, newFaultyStore(onCall(kind, 1, 1, c.fault)), sonzaihook.WithLease(3*time.Second))
				hooks.HandleFunc(func(_ context.Context, n int) error {
					if kind == "release" && n == 1 {
						return errors.New("no")
					}
					return nil
				})
				began := time.Now()
				require.Equal(t, want, deliverWakeup(t, hooks))
				require.LessOrEqual(t, time.Since(began), c.after)
				if c.after <= time.Second { // what was not settled holds until its lease ends
					require.Equal(t, sonzaihook.CodeInFlight, deliverWakeup(t, hooks))
					time.Sleep(3 * time.Second)
					want, ran := sonzaihook.CodeProcessed, 2
					if kind == "commit" { // it is tried again while the lease holds
						want, ran = sonzaihook.CodeDuplicate, 1
					}
					require.Equal(t, want, deliverWakeup(t, hooks))
					require.Equal(t, ran, hooks.Runs.Len())
				}
				require.NoError(t, hooks.Shutdown(t.Context()))
			})
		}
	}
}

func TestAFailureFreesTheClaimAtOnce(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"an error":          func() error { return errors.New("no") },
		"a panic":           func() error { panic("no") },
		"an abort":          func() error { panic(http.ErrAbortHandler) },
		"a goroutine's end": func() error { runtime.Goexit(); return nil },
		"Permanent":         func() error { return sonzaihook.Permanent(errors.New("no")) },
		"RetryAfter":        func() error { return sonzaihook.RetryAfter(errors.New("no"), time.Minute) },
	} {
		inBubble(t, name, func(t *testing.T) {
			hooks := leaseReceiver(t, newFaultyStore(nil))
			hooks.HandleFunc(func(_ context.Context, n int) error {
				if n == 1 {
					return fail()
				}
				return nil
			})
			require.NotEqual(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
			require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
			require.Equal(t, 2, hooks.Runs.Len())
		})
	}
}

func TestShutdownWaitsForLateCallbacks(t *testing.T) {
	t.Parallel()
	inBubble(t, "and refuses what is new", func(t *testing.T) {
		hooks := leaseReceiver(t, newFaultyStore(nil), sonzaihook.WithHandlerTimeout(time.Second), sonzaihook.WithLease(3*time.Second))
		hooks.HandleFunc(sleepDeaf(30 * time.Second))
		began := time.Now()
		require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))

		impatient, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("impatient"))
		defer cancel()
		require.ErrorContains(t, hooks.Shutdown(impatient), "impatient")
		require.Equal(t, sonzaihook.CodeShuttingDown, deliverWakeup(t, hooks))
		require.NoError(t, hooks.Shutdown(t.Context()))
		require.Equal(t, 30*time.Second, time.Since(began).Truncate(time.Second))
		require.Equal(t, 1, hooks.Runs.Len())
	})
}

func TestShutdownOfAnIdleReceiverNeedsNoTime(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // the end of the context and the last delivery's may be seen in either order
		hooks := recorder.New(t, nil, sonzaihook.WithDrainDelay(time.Hour))
		require.NoError(t, hooks.Shutdown(ended))
	}
}

func TestAClockThatIsSetMovesNoLease(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"forward": 48 * time.Hour, "back": -48 * time.Hour} {
		inBubble(t, name, func(t *testing.T) {
			var mu sync.Mutex
			var offset time.Duration
			clock := func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(offset)
			}
			hooks := leaseReceiver(t, newFaultyStore(nil), sonzaihook.WithClock(clock),
				sonzaihook.WithLease(3*time.Second), sonzaihook.WithHandlerTimeout(0))
			hooks.HandleFunc(sleepDeaf(10 * time.Second))
			send := func() string {
				return code(t, hooktest.Deliver(t, hooks, fixed(t, sonzaihook.EventWakeup), hooktest.At(clock())))
			}
			answered := make(chan string)
			go func() { answered <- send() }()
			time.Sleep(time.Second)
			mu.Lock()
			offset = jump
			mu.Unlock()
			require.Equal(t, sonzaihook.CodeInFlight, send())
			require.Equal(t, sonzaihook.CodeProcessed, <-answered)
			require.Equal(t, sonzaihook.CodeDuplicate, send())
			require.Equal(t, 1, hooks.Runs.Len())
		})
	}
}

func TestAClientThatGoesAwayDoesNotStopTheCallback(t *testing.T) {
	t.Parallel()
	inBubble(t, "it runs to its end and is committed", func(t *testing.T) {
		hooks := leaseReceiver(t, newFaultyStore(nil))
		hooks.HandleFunc(func(ctx context.Context, _ int) error { return sleep(ctx, 5*time.Second) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		body := fixed(t, sonzaihook.EventWakeup)
		req := hooktest.NewRequest(t, body).WithContext(ctx)
		out := hooks.Receive(req.Context(), req.Header, body)
		require.NoError(t, out.Err)
		require.Equal(t, sonzaihook.CodeDuplicate, deliverWakeup(t, hooks))
	})
}
