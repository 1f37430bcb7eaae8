package watermillhook_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
)

func TestACopyIsRunOnceAndAcknowledged(t *testing.T) {
	t.Parallel()
	var runs atomic.Int64
	worker := newReceiver(t)
	worker.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		runs.Add(1)
		require.Equal(t, "calm", e.Data.Label)
		require.Equal(t, sonzaihook.SourceBroker, e.Source)
		return nil
	})
	handle := quick(worker)
	first, second := queued(t, mood("evt_1")), queued(t, mood("evt_1"))
	require.Equal(t, first.UUID, second.UUID)
	require.NoError(t, handle(first))
	require.NoError(t, handle(second))
	require.EqualValues(t, 1, runs.Load())
}

func TestAFailureIsGivenBackUntilItsLastAttempt(t *testing.T) {
	t.Parallel()
	worker, dead, runs := newReceiver(t), &kept{}, 0
	worker.OnDeadLetter(dead.keep)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { runs++; return errDown })
	handle, msg := quick(worker, watermillhook.WithMaxAttempts(3)), queued(t, mood("evt_1"))
	for range 2 {
		err := handle(msg)
		require.ErrorIs(t, err, errDown)
		require.NotContains(t, err.Error(), errDown.Error(), "a router logs it")
		require.Empty(t, dead.deliveries)
	}
	require.NoError(t, handle(msg))
	require.Equal(t, 3, runs)
	require.Len(t, dead.deliveries, 1)
	require.ErrorIs(t, dead.reasons[0], errDown)
	require.Equal(t, mood("evt_1"), dead.deliveries[0].Body)

	require.ErrorIs(t, handle(msg), errDown, "a new message begins anew")
}

func TestWhatIsGivenUpStaysWithTheBrokerUntilItIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		dead *kept
		run  error
		want error
	}{
		{"a failure without a dead letter", nil, errDown, sonzaihook.ErrNoDeadLetter},
		{"a failure that the dead letter does not keep", &kept{err: errors.New("disk full")}, errDown, nil},
		{"Permanent without a dead letter", nil, sonzaihook.Permanent(errDown), sonzaihook.ErrNoDeadLetter},
		{"Permanent that the dead letter does not keep", &kept{err: errors.New("disk full")}, sonzaihook.Permanent(errDown), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			worker := newReceiver(t)
			if c.dead != nil {
				worker.OnDeadLetter(c.dead.keep)
			}
			result := c.run
			worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return result })
			handle, msg := quick(worker, watermillhook.WithMaxAttempts(1)), queued(t, mood("evt_1"))
			for range 3 {
				err := handle(msg)
				require.Error(t, err)
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
				}
			}
			if c.dead != nil {
				c.dead.err = nil
				require.NoError(t, handle(msg))
				require.NotEmpty(t, c.dead.deliveries)
				return
			}
			result = nil
			require.NoError(t, handle(msg), "a new version of the callback takes it")
		})
	}
}

func TestWhatNoRetryMendsIsAcknowledgedWhenItWasKept(t *testing.T) {
	t.Parallel()
	worker, dead := newReceiver(t), &kept{}
	worker.OnDeadLetter(dead.keep)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return sonzaihook.Permanent(errDown) })
	handle := quick(worker)
	require.NoError(t, handle(queued(t, mood("evt_1"))))
	require.NotEmpty(t, dead.deliveries)
	require.ErrorIs(t, dead.reasons[0], errDown)

	require.NoError(t, handle(message.NewMessage("foreign", []byte(`[]`))))
	require.ErrorIs(t, dead.reasons[len(dead.reasons)-1], sonzaihook.ErrUndecodable)
}

func TestRetryAfterIsNoAttemptButAges(t *testing.T) {
	t.Parallel()
	worker, dead := newReceiver(t), &kept{}
	worker.OnDeadLetter(dead.keep)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		return sonzaihook.RetryAfter(errDown, time.Second)
	})
	later := atomic.Int64{}
	handle := quick(worker, watermillhook.WithMaxAttempts(2),
		watermillhook.WithClock(func() time.Time { return time.Now().Add(time.Duration(later.Load())) }))
	msg := queued(t, mood("evt_1"))
	for range 5 {
		require.ErrorIs(t, handle(msg), errDown)
	}
	require.Empty(t, dead.deliveries)
	later.Store(int64(73 * time.Hour))
	require.NoError(t, handle(msg))
	require.Len(t, dead.deliveries, 1)
}

func TestADeliveryThatCannotRunNowIsGivenBackAndNeverDeadLettered(t *testing.T) {
	t.Parallel()
	old := watermillhook.WithClock(func() time.Time { return time.Now().Add(1000 * time.Hour) })
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name string
		when func(t *testing.T, worker *sonzaihook.Receiver, msg *message.Message)
		want error
	}{
		{"the receiver shuts down", func(t *testing.T, worker *sonzaihook.Receiver, _ *message.Message) {
			require.NoError(t, worker.Shutdown(t.Context()))
		}, sonzaihook.ErrShuttingDown},
		{"the message's context has ended", func(_ *testing.T, _ *sonzaihook.Receiver, msg *message.Message) {
			msg.SetContext(cancelled)
		}, context.Canceled},
		{"the callback's context has ended", func(_ *testing.T, worker *sonzaihook.Receiver, _ *message.Message) {
			worker.Use(func(sonzaihook.Handler) sonzaihook.Handler {
				return func(context.Context, *sonzaihook.Delivery) error { return fmt.Errorf("query: %w", context.Canceled) }
			})
		}, context.Canceled},
		{"the format is newer", func(_ *testing.T, _ *sonzaihook.Receiver, msg *message.Message) {
			msg.Metadata["sonzaihook-format"] = "2"
		}, watermillhook.ErrNewerFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			worker, dead := newReceiver(t), &kept{}
			worker.OnDeadLetter(dead.keep)
			worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
			msg := queued(t, mood("evt_1"))
			c.when(t, worker, msg)
			handle := quick(worker, watermillhook.WithMaxAttempts(1), old)
			for range 3 {
				require.ErrorIs(t, handle(msg), c.want)
			}
			require.Empty(t, dead.deliveries)
		})
	}
}

func TestACopyOfWhatRunsIsGivenBack(t *testing.T) {
	t.Parallel()
	worker, started, finish := newReceiver(t), make(chan struct{}), make(chan struct{})
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		close(started)
		<-finish
		return nil
	})
	handle, done := quick(worker), make(chan error)
	go func() { done <- handle(queued(t, mood("evt_1"))) }()
	<-started
	require.ErrorIs(t, handle(queued(t, mood("evt_1"))), sonzaihook.ErrInFlight)
	close(finish)
	require.NoError(t, <-done)
}

// A rolling deploy: the front and one worker know a type that another worker does
// not.
func TestAWorkerWithoutACallbackForATypeGivesItBack(t *testing.T) {
	t.Parallel()
	store := sonzaihook.NewMemoryStore(10)
	old, next := newReceiver(t, sonzaihook.WithStore(store)), newReceiver(t, sonzaihook.WithStore(store))
	old.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	ran := 0
	next.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { ran++; return nil })
	msg := queued(t, mood("evt_1"))
	for range 3 {
		require.ErrorContains(t, quick(old)(msg), "no callback")
	}
	require.NoError(t, quick(next)(msg))
	require.Equal(t, 1, ran)

	ignoring := newReceiver(t)
	ignoring.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return sonzaihook.Ignore("not ours") })
	require.NoError(t, quick(ignoring)(msg), "Ignore is a decision")
}

func TestAMessageIsHeldUpForAWhileAndNoLonger(t *testing.T) {
	t.Parallel()
	worker := newReceiver(t)
	worker.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		return sonzaihook.RetryAfter(errDown, time.Hour)
	})
	handle := quick(worker, watermillhook.WithMaxWait(100*time.Millisecond))
	began := time.Now()
	require.Error(t, handle(queued(t, mood("evt_1"))))
	took := time.Since(began)
	require.GreaterOrEqual(t, took, 100*time.Millisecond)
	require.Less(t, took, 10*time.Second)

	msg := queued(t, mood("evt_2"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	msg.SetContext(ctx)
	began = time.Now()
	require.Error(t, quick(worker, watermillhook.WithMaxWait(time.Hour))(msg))
	require.Less(t, time.Since(began), 10*time.Second, "the end of the context ends the wait")
}

func TestImpossibleOptionsPanic(t *testing.T) {
	t.Parallel()
	hooks := newReceiver(t)
	for name, call := range map[string]func(){
		"a nil receiver":      func() { watermillhook.Handler(nil) },
		"a nil option":        func() { watermillhook.Handler(hooks, nil) },
		"no attempts":         func() { watermillhook.Handler(hooks, watermillhook.WithMaxAttempts(0)) },
		"no age":              func() { watermillhook.Handler(hooks, watermillhook.WithMaxAge(0)) },
		"no wait":             func() { watermillhook.Handler(hooks, watermillhook.WithMaxWait(0)) },
		"a backoff backwards": func() { watermillhook.Handler(hooks, watermillhook.WithBackoff(2, 1)) },
		"no republisher":      func() { watermillhook.Handler(hooks, watermillhook.WithRepublish(nil, "x")) },
		"a nil logger":        func() { watermillhook.Handler(hooks, watermillhook.WithLogger(nil)) },
		"a nil clock":         func() { watermillhook.Handler(hooks, watermillhook.WithClock(nil)) },
		"a nil publisher":     func() { watermillhook.Publish(nil, "x") },
		"no topic":            func() { watermillhook.Publish(&topic{}, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				err, ok := recover().(error)
				require.True(t, ok)
				require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
			}()
			call()
		})
	}
}
