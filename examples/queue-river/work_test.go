package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

var errDown = errors.New("the model is down")

func TestAJobEndsAsTheOutcomeSays(t *testing.T) {
	t.Parallel()
	snooze := func(d time.Duration) error { return river.JobSnooze(d) }
	for name, c := range map[string]struct {
		event   sonzaihook.EventType
		attempt int
		age     time.Duration
		format  int
		verdict error // of the callback
		unkept  error // of the dead letter
		want    error
		runs    int
		asked   int // how often the dead letter was
	}{
		"done":                          {runs: 1},
		"ignored for a reason":          {verdict: sonzaihook.Ignore("no use"), runs: 1},
		"an error":                      {verdict: errDown, want: errors.New("failed: the model is down"), runs: 1},
		"the last error":                {attempt: maxAttempts, verdict: errDown, want: river.JobCancel(errors.New("failed: the model is down")), runs: 1, asked: 1},
		"an error of an old delivery":   {age: maxAge + time.Hour, verdict: errDown, want: river.JobCancel(errors.New("failed: the model is down")), runs: 1, asked: 1},
		"the last error, and not kept":  {attempt: maxAttempts, verdict: errDown, unkept: errors.New("disk full"), want: errors.New("dead letter failed: disk full"), runs: 1, asked: 1},
		"later":                         {attempt: maxAttempts, verdict: sonzaihook.RetryAfter(errDown, time.Minute), want: snooze(time.Minute), runs: 1},
		"later, and too old":            {age: maxAge + time.Hour, verdict: sonzaihook.RetryAfter(errDown, time.Minute), want: river.JobCancel(errors.New("retry_later: the model is down")), runs: 1, asked: 1},
		"permanent":                     {verdict: sonzaihook.Permanent(errDown), want: river.JobCancel(errors.New("rejected: the model is down")), runs: 1, asked: 1},
		"canceled at the last attempt":  {attempt: maxAttempts, verdict: context.Canceled, want: snooze(time.Minute), runs: 1},
		"no callback":                   {event: sonzaihook.EventWakeup, want: river.JobCancel(errors.New("no callback for the type"))},
		"a newer format":                {format: format + 1, want: snooze(time.Minute)},
		"it killed its workers":         {attempt: maxRuns + 1, want: river.JobCancel(errors.New("given up without a run")), asked: 1},
		"it killed them, and not kept":  {attempt: maxRuns + 1, unkept: errors.New("disk full"), want: errors.New("dead letter failed: disk full"), asked: 1},
		"sent again by hand after that": {attempt: maxAttempts + 1, runs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var runs, asked int
			w := &worker{hooks: newReceiver(t)}
			w.hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
				runs++
				return c.verdict
			})
			w.hooks.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error {
				asked++
				return c.unkept
			})
			event := sonzaihook.EventMessage
			if c.event != "" {
				event = c.event
			}
			job := newJob(t, event, max(c.attempt, 1))
			job.Args.ReceivedAt = job.Args.ReceivedAt.Add(-c.age)
			job.Args.Format = max(c.format, format)
			err := w.Work(t.Context(), job)
			require.Equal(t, describe(c.want), describe(err))
			require.Equal(t, c.runs, runs)
			require.Equal(t, c.asked, asked)
		})
	}
}

func TestAWorkerThatIsToldToStopRunsNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &worker{hooks: newReceiver(t)}
	w.hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		t.Error("it ran")
		return nil
	})
	for _, attempt := range []int{1, maxAttempts, maxRuns + 1} {
		require.ErrorIs(t, w.Work(ctx, newJob(t, sonzaihook.EventMessage, attempt)), context.Canceled)
	}
}

func TestTheWaitDoublesUpToAnHour(t *testing.T) {
	t.Parallel()
	w := &worker{}
	for attempt, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 12: 2048 * time.Second, 13: time.Hour, 30_000: time.Hour,
	} {
		wait := time.Until(w.NextRetry(newJob(t, sonzaihook.EventMessage, attempt)))
		require.InEpsilon(t, want.Seconds(), wait.Seconds(), 0.3, "after attempt %d", attempt)
	}
}

// describe returns what River looks at: the type, and the text that it keeps.
func describe(err error) string { return fmt.Sprintf("%T: %v", err, err) }

func newReceiver(t *testing.T) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	return hooks
}

func newJob(t *testing.T, event sonzaihook.EventType, attempt int) *river.Job[deliveryArgs] {
	t.Helper()
	d := &sonzaihook.Delivery{ID: "id", Type: event, Source: sonzaihook.SourceWebhook, Body: hooktest.Fixture(t, event)}
	return &river.Job[deliveryArgs]{JobRow: &rivertype.JobRow{Attempt: attempt}, Args: newArgs(d, time.Now())}
}
