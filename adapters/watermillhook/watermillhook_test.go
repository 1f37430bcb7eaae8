package watermillhook_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/watermillhook"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func TestACopyIsRunOnceAndAcknowledged(t *testing.T) {
	t.Parallel()
	worker := recorder.New(t, nil).HandleAll(nil)
	worker.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		require.Equal(t, "calm", e.Data.Label)
		require.Equal(t, sonzaihook.SourceBroker, e.Source)
		return nil
	})
	handle := quick(worker)
	first, second := queued(t, mood("evt_1")), queued(t, mood("evt_1"))
	require.Equal(t, first.UUID, second.UUID)
	require.NoError(t, handle(first))
	require.NoError(t, handle(second))
	require.Equal(t, 1, worker.Runs.Len())
}

func TestAFailureIsGivenBackUntilItsLastAttempt(t *testing.T) {
	t.Parallel()
	worker := recorder.New(t, nil).HandleAll(errDown).KeepDeadLetters(nil)
	handle, msg := quick(worker, watermillhook.WithMaxAttempts(3)), queued(t, mood("evt_1"))
	for range 2 {
		err := handle(msg)
		require.ErrorIs(t, err, errDown)
		require.NotContains(t, err.Error(), errDown.Error(), "a router logs it")
		require.Zero(t, worker.DeadLetters.Len())
	}
	require.NoError(t, handle(msg))
	require.Equal(t, 3, worker.Runs.Len())
	require.Equal(t, 1, worker.DeadLetters.Len())
	dead := worker.DeadLetters.Last(t)
	require.ErrorIs(t, dead.Reason, errDown)
	require.Equal(t, mood("evt_1"), dead.Body)

	require.ErrorIs(t, handle(msg), errDown, "a new message begins anew")
}

func TestWhatIsGivenUpStaysWithTheBrokerUntilItIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		dead error // from the dead letter, if there is one
		run  error
		want error
	}{
		{"a failure without a dead letter", nil, errDown, sonzaihook.ErrNoDeadLetter},
		{"a failure that the dead letter does not keep", errFull, errDown, nil},
		{"Permanent without a dead letter", nil, sonzaihook.Permanent(errDown), sonzaihook.ErrNoDeadLetter},
		{"Permanent that the dead letter does not keep", errFull, sonzaihook.Permanent(errDown), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			worker, letter := recorder.New(t, nil), c.dead
			if c.dead != nil {
				worker.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error { return letter })
				worker.KeepDeadLetters(nil)
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
				require.Zero(t, worker.DeadLetters.Len())
				letter = nil
				require.NoError(t, handle(msg))
				require.Equal(t, 1, worker.DeadLetters.Len())
				return
			}
			result = nil
			require.NoError(t, handle(msg), "a new version of the callback takes it")
		})
	}
}

func TestWhatNoRetryMendsIsAcknowledgedWhenItWasKept(t *testing.T) {
	t.Parallel()
	worker := recorder.New(t, nil).HandleAll(sonzaihook.Permanent(errDown)).KeepDeadLetters(nil)
	handle := quick(worker)
	require.NoError(t, handle(queued(t, mood("evt_1"))))
	require.ErrorIs(t, worker.DeadLetters.Last(t).Reason, errDown)

	require.NoError(t, handle(message.NewMessage("foreign", []byte(`[]`))))
	require.ErrorIs(t, worker.DeadLetters.Last(t).Reason, sonzaihook.ErrUndecodable)
}

func TestRetryAfterIsNoAttemptButAges(t *testing.T) {
	t.Parallel()
	worker := recorder.New(t, nil).HandleAll(sonzaihook.RetryAfter(errDown, time.Second)).KeepDeadLetters(nil)
	later := atomic.Int64{}
	handle := quick(worker, watermillhook.WithMaxAttempts(2),
		watermillhook.WithClock(func() time.Time { return time.Now().Add(time.Duration(later.Load())) }))
	msg := queued(t, mood("evt_1"))
	for range 5 {
		require.ErrorIs(t, handle(msg), errDown)
	}
	require.Zero(t, worker.DeadLetters.Len())
	later.Store(int64(73 * time.Hour))
	require.NoError(t, handle(msg))
	require.Equal(t, 1, worker.DeadLetters.Len())
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
			worker := recorder.New(t, nil).HandleAll(nil).KeepDeadLetters(nil)
			msg := queued(t, mood("evt_1"))
			c.when(t, worker.Receiver, msg)
			handle := quick(worker, watermillhook.WithMaxAttempts(1), old)
			for range 3 {
				require.ErrorIs(t, handle(msg), c.want)
			}
			require.Zero(t, worker.DeadLetters.Len())
		})
	}
}

func TestACopyOfWhatRunsIsGivenBack(t *testing.T) {
	t.Parallel()
	worker, started, finish := recorder.New(t, nil), make(chan struct{}), make(chan struct{})
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
	old, next := recorder.New(t, nil, sonzaihook.WithStore(store)), recorder.New(t, nil, sonzaihook.WithStore(store))
	old.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error { return nil })
	next.HandleAll(nil)
	msg := queued(t, mood("evt_1"))
	for range 3 {
		require.ErrorContains(t, quick(old)(msg), "no callback")
	}
	require.NoError(t, quick(next)(msg))
	require.Equal(t, 1, next.Runs.Len())

	ignoring := recorder.New(t, nil).HandleAll(sonzaihook.Ignore("not ours"))
	require.NoError(t, quick(ignoring)(msg), "Ignore is a decision")
}

func TestAMessageIsHeldUpForAWhileAndNoLonger(t *testing.T) {
	t.Parallel()
	worker := recorder.New(t, nil).HandleAll(sonzaihook.RetryAfter(errDown, time.Hour))
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
	hooks := recorder.New(t, nil).Receiver
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
