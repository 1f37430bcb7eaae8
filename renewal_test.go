package sonzaihook_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
)

// As in lease_test.go, time is fake here.

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
			hooks.HandleFunc(func(ctx context.Context, _ int) error {
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
		hooks.HandleFunc(func(ctx context.Context, _ int) error { return sleep(ctx, time.Hour) })
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
		hooks.HandleFunc(func(ctx context.Context, _ int) error {
			cause = sleep(ctx, time.Hour)
			return nil
		})
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks), "what the callback says of its work counts")
		require.ErrorIs(t, cause, sonzaihook.ErrLeaseLost)
		require.Equal(t, 2*time.Second, time.Since(began), "a third of the lease")
	})
}

func TestARenewalThatFailsOnceCostsNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(context.Context) error{"fails": down, "hangs": hang} {
		inBubble(t, name, func(t *testing.T) {
			store := newFaultyStore(onCall("claim", 2, 2, fault))
			hooks := leaseReceiver(t, store, sonzaihook.WithLease(6*time.Second), sonzaihook.WithHandlerTimeout(0))
			hooks.HandleFunc(func(ctx context.Context, _ int) error { return sleep(ctx, time.Minute) })
			require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
			require.Equal(t, sonzaihook.CodeDuplicate, deliverWakeup(t, hooks))
			require.Equal(t, 1, hooks.Runs.Len())
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
		hooks.HandleFunc(func(ctx context.Context, _ int) error { return sleep(ctx, time.Hour) })
		require.Equal(t, sonzaihook.CodeFailed, deliverWakeup(t, hooks))
		require.Equal(t, store.renewed+5*time.Second, time.Since(began))
	})
}

func TestARenewalThatHangsDoesNotHoldUpTheAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, "the callback has succeeded", func(t *testing.T) {
		store := newFaultyStore(onCall("claim", 2, 2, deaf(time.Minute)))
		hooks := leaseReceiver(t, store, sonzaihook.WithLease(6*time.Second), sonzaihook.WithHandlerTimeout(4*time.Second))
		hooks.HandleFunc(sleepDeaf(3 * time.Second))
		began := time.Now()
		require.Equal(t, sonzaihook.CodeProcessed, deliverWakeup(t, hooks))
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
		require.NoError(t, hooks.Shutdown(t.Context()))
		require.Len(t, store.times("commit"), 1, "it is committed when the renewal lets go")
	})
}
