package sonzaihook_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestADeliveryIsHandedOffOnceAndRunByAWorkerLater(t *testing.T) {
	t.Parallel()
	var queue []*sonzaihook.Delivery
	h := recorder.New(t, nil, sonzaihook.WithHandOff(func(_ context.Context, d *sonzaihook.Delivery) error {
		queue = append(queue, d)
		return nil
	})).HandleAll(nil)
	answer := hooktest.Deliver(t, h, message(t))
	require.Equal(t, http.StatusAccepted, answer.Code)
	require.Equal(t, sonzaihook.CodeQueued, code(t, answer))
	require.Zero(t, h.Runs.Len())
	require.Len(t, queue, 1)

	work := *queue[0]
	work.Source = sonzaihook.SourceBroker
	require.Equal(t, sonzaihook.CodeProcessed, h.Dispatch(t.Context(), &work).Code)
	require.Equal(t, sonzaihook.CodeDuplicate, h.Dispatch(t.Context(), &work).Code)
	require.Equal(t, 1, h.Runs.Len())

	work.Source = ""
	require.Equal(t, sonzaihook.CodeDuplicate, h.Dispatch(t.Context(), &work).Code, "a worker that forgets the source must not enqueue again")
	require.Len(t, queue, 1)
}

func TestAQueueThatFailsPutsTheDeliveryOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		enqueue func(context.Context, *sonzaihook.Delivery) error
		code    string
	}{
		"an error": {func(context.Context, *sonzaihook.Delivery) error { return errors.New("full") }, sonzaihook.CodeQueueUnavailable},
		"a panic":  {func(context.Context, *sonzaihook.Delivery) error { panic("boom") }, sonzaihook.CodeQueueUnavailable},
		"permanent": {func(context.Context, *sonzaihook.Delivery) error {
			return sonzaihook.Permanent(errors.New("too large"))
		}, sonzaihook.CodeRejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil, sonzaihook.WithHandOff(c.enqueue)).HandleAll(nil).KeepDeadLetters(nil)
			require.Equal(t, c.code, code(t, hooktest.Deliver(t, h, message(t))))
			require.Zero(t, h.Runs.Len())
			require.Equal(t, c.code == sonzaihook.CodeRejected, h.DeadLetters.Len() == 1)
		})
	}
}

func TestOnlyMiddlewareAndTheLastCallbackSeeTheClaim(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	seen := map[string]bool{}
	var claim sonzaihook.Claim
	h.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			claim, seen["middleware"] = sonzaihook.ClaimFrom(ctx)
			require.Equal(t, d.ID, claim.Key)
			require.NotEmpty(t, claim.Token)
			require.Equal(t, 72*time.Hour, claim.Keep)
			return next(ctx, d)
		}
	})
	for _, name := range []string{"first", "last"} {
		h.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error {
			_, seen[name] = sonzaihook.ClaimFrom(ctx)
			return nil
		})
	}
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, message(t)).Code)
	require.Equal(t, map[string]bool{"middleware": true, "first": false, "last": true}, seen)
	_, ok := sonzaihook.ClaimFrom(t.Context())
	require.False(t, ok)
}

func TestSettlesSaysWhatIsCommitted(t *testing.T) {
	t.Parallel()
	require.True(t, sonzaihook.Settles(nil))
	require.True(t, sonzaihook.Settles(sonzaihook.Ignore("not ours")))
	require.True(t, sonzaihook.Settles(sonzaihook.Queued()))
	require.False(t, sonzaihook.Settles(errors.New("any")))
	require.False(t, sonzaihook.Settles(sonzaihook.Permanent(errors.New("never"))))
	require.False(t, sonzaihook.Settles(sonzaihook.RetryAfter(nil, time.Minute)))
}

func TestDeadLetterOfAReceiverWithoutOneIsAnError(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	d := &sonzaihook.Delivery{Body: message(t)}
	require.ErrorIs(t, h.DeadLetter(t.Context(), d, nil), sonzaihook.ErrNoDeadLetter)
	h.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error { panic("boom") })
	require.ErrorIs(t, h.DeadLetter(t.Context(), d, nil), sonzaihook.ErrPanicked)
}
