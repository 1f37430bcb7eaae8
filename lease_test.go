package sonzaihook_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// These tests run in bubbles of fake time: what they say of seconds is exact.

// call is one call to a store, as the receiver made it.
type call struct {
	what string // claim, commit, release
	at   time.Duration
}

// faultyStore is a memory store whose calls can be made to fail or hang. A fault
// is asked before each call, with the number of the call of its kind, from 1; it
// may sleep, and its error is returned in place of the call.
type faultyStore struct {
	sonzaihook.Store
	fault func(ctx context.Context, what string, n int) error
	start time.Time

	mu    sync.Mutex
	calls []call
}

func newFaultyStore(fault func(ctx context.Context, what string, n int) error) *faultyStore {
	return &faultyStore{Store: sonzaihook.NewMemoryStore(100), fault: fault, start: time.Now()}
}

func (s *faultyStore) before(ctx context.Context, what string) error {
	s.mu.Lock()
	s.calls = append(s.calls, call{what, time.Since(s.start)})
	n := 0
	for _, c := range s.calls {
		if c.what == what {
			n++
		}
	}
	s.mu.Unlock()
	if s.fault == nil {
		return nil
	}
	return s.fault(ctx, what, n)
}

func (s *faultyStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if err := s.before(ctx, "claim"); err != nil {
		return 0, err
	}
	return s.Store.Claim(ctx, key, token, lease)
}

func (s *faultyStore) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	if err := s.before(ctx, "commit"); err != nil {
		return err
	}
	return s.Store.Commit(ctx, key, token, keep)
}

func (s *faultyStore) Release(ctx context.Context, key, token string) error {
	if err := s.before(ctx, "release"); err != nil {
		return err
	}
	return s.Store.Release(ctx, key, token)
}

// times returns when calls of a kind were made.
func (s *faultyStore) times(what string) []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var at []time.Duration
	for _, c := range s.calls {
		if c.what == what {
			at = append(at, c.at)
		}
	}
	return at
}

var errStoreDown = errors.New("store down")

// onCall returns a fault for some calls of one kind; last 0 means all from first.
func onCall(kind string, first, last int, fault func(ctx context.Context) error) func(context.Context, string, int) error {
	return func(ctx context.Context, what string, n int) error {
		if what != kind || n < first || (last > 0 && n > last) {
			return nil
		}
		return fault(ctx)
	}
}

func down(context.Context) error { return errStoreDown }

// hang hangs until the context of the call ends.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// deaf returns a fault that hangs for d whatever becomes of its context.
func deaf(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

func leaseReceiver(t *testing.T, store sonzaihook.Store, options ...sonzaihook.Option) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), append([]sonzaihook.Option{
		sonzaihook.WithStore(store), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)...)
	require.NoError(t, err)
	return hooks
}

// onWakeup registers a callback and counts its runs.
func onWakeup(hooks *sonzaihook.Receiver, run func(ctx context.Context, n int) error) func() int {
	var mu sync.Mutex
	runs := 0
	hooks.OnWakeup(func(ctx context.Context, _ *sonzaihook.WakeupEvent) error {
		mu.Lock()
		runs++
		n := runs
		mu.Unlock()
		return run(ctx, n)
	})
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return runs
	}
}

func deliverWakeup(t *testing.T, hooks http.Handler) string {
	t.Helper()
	return code(t, hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventWakeup)))
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
			runs := onWakeup(first, sleepDeaf(10*lease))
			secondRuns := onWakeup(second, sleepDeaf(0))
			answered := make(chan string)
			go func() { answered <- deliverWakeup(t, first) }()
			time.Sleep(lease / 10)
			for range 19 { // to the end of the callback
				require.Equal(t, sonzaihook.CodeInFlight, deliverWakeup(t, second))
				time.Sleep(lease / 2)
			}
			require.Equal(t, sonzaihook.CodeProcessed, <-answered)
			require.Equal(t, sonzaihook.CodeDuplicate, deliverWakeup(t, second))
			require.Equal(t, 1, runs())
			require.Zero(t, secondRuns())
		})
	}
}

func TestAClaimIsRenewedAtAThirdOfTheLease(t *testing.T) {
	t.Parallel()
	for _, lease := range []time.Duration{900 * time.Millisecond, 3 * time.Second, 30 * time.Second} {
		inBubble(t, lease.String(), func(t *testing.T) {
			store := newFaultyStore(nil)
			hooks := leaseReceiver(t, store, sonzaihook.WithLease(lease), sonzaihook.WithHandlerTimeout(0))
			onWakeup(hooks, sleepDeaf(3*lease+lease/10))
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
		onWakeup(hooks, sleepDeaf(900*time.Millisecond))
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
			runs := onWakeup(hooks, func(ctx context.Context, n int) error {
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
			require.Equal(t, c.wantRuns, runs())
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
			runs := onWakeup(hooks, sleepDeaf(0))
			began := time.Now()
			answer := hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventWakeup))
			require.Equal(t, sonzaihook.CodeStoreUnavailable, code(t, answer))
			require.Equal(t, http.StatusServiceUnavailable, answer.Code)
			require.Equal(t, "5", answer.Header().Get("Retry-After"))
			require.Equal(t, c.after, time.Since(began))

			require.NoError(t, hooks.Shutdown(t.Context()), "a shutdown waits for the claim")
			require.Zero(t, runs(), "a claim that came too late ran all the same")
			again := leaseReceiver(t, store)
			onWakeup(again, sleepDeaf(0))
			require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, again), "a claim that came too late was not given back")
		})
	}
}

func TestALostLeaseEndsTheContextOfTheCallback(t *testing.T) {
	t.Parallel()
	const lease = 6 * time.Second
	cases := map[string]struct {
		fault func(context.Context) error
		after time.Duration // when the callback must know
	}{
		"every renewal fails":             {down, 5 * time.Second},
		"every renewal hangs":             {hang, 5 * time.Second},
		"renewals hang without a context": {deaf(time.Minute), 5 * time.Second},
	}
	for name, c := range cases {
		inBubble(t, name, func(t *testing.T) {
			store := newFaultyStore(onCall("claim", 2, 0, c.fault))
			hooks := leaseReceiver(t, store, sonzaihook.WithLease(lease), sonzaihook.WithHandlerTimeout(0))
			var cause error
			var knew time.Duration
			began := time.Now()
			onWakeup(hooks, func(ctx context.Context, _ int) error {
				err := sleep(ctx, time.Hour)
				cause, knew = err, time.Since(began)
				return err
			})
			require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))
			require.ErrorIs(t, cause, sonzaihook.ErrLeaseLost)
			require.Equal(t, c.after, knew, "a sixth of the lease is left to stop in")
			require.LessOrEqual(t, time.Since(began), lease, "the answer does not wait for the renewal")
			require.NoError(t, hooks.Shutdown(t.Context()))
		})
	}
	inBubble(t, "another holder has the claim", func(t *testing.T) {
		memory := sonzaihook.NewMemoryStore(10)
		store := newFaultyStore(nil)
		store.Store = memory
		store.fault = onCall("claim", 2, 2, func(context.Context) error {
			ctx := context.Background()
			time.Sleep(lease) // the store was away for so long that the claim ran out
			_, err := memory.Claim(ctx, "evt_01JM3ZK8", "thief", time.Hour)
			return err
		})
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(lease), sonzaihook.WithHandlerTimeout(0),
			sonzaihook.WithIdentity(func(*sonzaihook.Delivery) string { return "evt_01JM3ZK8" }))
		onWakeup(hooks, func(ctx context.Context, _ int) error { return sleep(ctx, time.Hour) })
		require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))
		require.NoError(t, hooks.Shutdown(t.Context()))
		require.ErrorIs(t, memory.Commit(t.Context(), "evt_01JM3ZK8", "b", time.Hour), sonzaihook.ErrLeaseLost, "the thief still holds it")
	})
}

func TestARenewalThatIsRefusedEndsTheContextAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, "in flight elsewhere", func(t *testing.T) {
		store := &refusingStore{Store: sonzaihook.NewMemoryStore(10)}
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(6*time.Second), sonzaihook.WithHandlerTimeout(0))
		began := time.Now()
		var cause error
		onWakeup(hooks, func(ctx context.Context, _ int) error {
			cause = sleep(ctx, time.Hour)
			return nil
		})
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks), "what the callback says of its work counts")
		require.ErrorIs(t, cause, sonzaihook.ErrLeaseLost)
		require.Equal(t, 2*time.Second, time.Since(began), "a third of the lease")
	})
}

// refusingStore says at the second claim that another holds the key.
type refusingStore struct {
	sonzaihook.Store
	claims int
}

func (s *refusingStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if s.claims++; s.claims > 1 {
		return sonzaihook.InFlight, nil
	}
	return s.Store.Claim(ctx, key, token, lease)
}

func TestARenewalThatFailsOnceCostsNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(context.Context) error{"fails": down, "hangs": hang} {
		inBubble(t, name, func(t *testing.T) {
			store := newFaultyStore(onCall("claim", 2, 2, fault))
			hooks := leaseReceiver(t, store, sonzaihook.WithLease(6*time.Second), sonzaihook.WithHandlerTimeout(0))
			runs := onWakeup(hooks, func(ctx context.Context, _ int) error { return sleep(ctx, time.Minute) })
			require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
			require.Equal(t, sonzaihook.CodeDuplicate, deliverWakeup(t, hooks))
			require.Equal(t, 1, runs())
		})
	}
}

func TestTheLeaseIsCountedFromBeforeTheCallThatRenewedIt(t *testing.T) {
	t.Parallel()
	inBubble(t, "a slow renewal", func(t *testing.T) {
		// The renewal takes effect at once and its answer takes 900 ms; then the
		// store is gone. The store's lease ends 6 s after it took effect.
		store := &slowAnswerStore{Store: sonzaihook.NewMemoryStore(10), start: time.Now()}
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(6*time.Second), sonzaihook.WithHandlerTimeout(0))
		began := time.Now()
		onWakeup(hooks, func(ctx context.Context, _ int) error { return sleep(ctx, time.Hour) })
		require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))
		require.Equal(t, store.renewed+5*time.Second, time.Since(began))
	})
}

type slowAnswerStore struct {
	sonzaihook.Store
	claims  int
	start   time.Time
	renewed time.Duration
}

func (s *slowAnswerStore) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	s.claims++
	if s.claims > 2 {
		return 0, errStoreDown
	}
	state, err := s.Store.Claim(ctx, key, token, lease)
	if s.claims == 2 {
		s.renewed = time.Since(s.start)
		time.Sleep(900 * time.Millisecond)
	}
	return state, err
}

func TestARenewalThatHangsDoesNotHoldUpTheAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, "the callback has succeeded", func(t *testing.T) {
		store := newFaultyStore(onCall("claim", 2, 2, deaf(time.Minute)))
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(6*time.Second), sonzaihook.WithHandlerTimeout(4*time.Second))
		onWakeup(hooks, sleepDeaf(3*time.Second))
		began := time.Now()
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
		require.NoError(t, hooks.Shutdown(t.Context()))
		require.Len(t, store.times("commit"), 1, "it is committed when the renewal lets go")
	})
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
				runs := onWakeup(hooks, func(_ context.Context, n int) error {
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
					require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
					require.Equal(t, 2, runs())
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
			runs := onWakeup(hooks, func(_ context.Context, n int) error {
				if n == 1 {
					return fail()
				}
				return nil
			})
			require.NotEqual(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
			require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
			require.Equal(t, 2, runs())
		})
	}
}

func TestShutdownWaitsForLateCallbacks(t *testing.T) {
	t.Parallel()
	inBubble(t, "and refuses what is new", func(t *testing.T) {
		hooks := leaseReceiver(t, newFaultyStore(nil), sonzaihook.WithHandlerTimeout(time.Second), sonzaihook.WithLease(3*time.Second))
		runs := onWakeup(hooks, sleepDeaf(30*time.Second))
		began := time.Now()
		require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))

		impatient, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, errors.New("impatient"))
		defer cancel()
		require.ErrorContains(t, hooks.Shutdown(impatient), "impatient")
		require.Equal(t, sonzaihook.CodeShuttingDown, deliverWakeup(t, hooks))
		require.NoError(t, hooks.Shutdown(t.Context()))
		require.Equal(t, 30*time.Second, time.Since(began).Truncate(time.Second))
		require.Equal(t, 1, runs())
	})
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
			runs := onWakeup(hooks, sleepDeaf(10*time.Second))
			send := func() string {
				return code(t, hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventWakeup), hooktest.At(clock())))
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
			require.Equal(t, 1, runs())
		})
	}
}

func TestAClientThatGoesAwayDoesNotStopTheCallback(t *testing.T) {
	t.Parallel()
	inBubble(t, "it runs to its end and is committed", func(t *testing.T) {
		hooks := leaseReceiver(t, newFaultyStore(nil))
		onWakeup(hooks, func(ctx context.Context, _ int) error { return sleep(ctx, 5*time.Second) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		body := hooktest.Fixture(t, sonzaihook.EventWakeup)
		req := hooktest.NewRequest(t, body).WithContext(ctx)
		out := hooks.Receive(req.Context(), req.Header, body)
		require.NoError(t, out.Err)
		require.Equal(t, sonzaihook.CodeDuplicate, deliverWakeup(t, hooks))
	})
}
