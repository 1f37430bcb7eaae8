// Package recorder makes receivers for tests that record what they do: the runs of
// their callbacks, their outcomes, their dead letters and their log. A test looks at
// a record when everything is over, or waits for what it needs.
package recorder

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// Receiver is a receiver with a record of what it did. The records may be used at
// any time, from any goroutine.
type Receiver struct {
	*sonzaihook.Receiver
	Runs        List[Run]                // of the callbacks of this package, and what a test adds
	Outcomes    List[sonzaihook.Outcome] // of all deliveries
	DeadLetters List[DeadLetter]         // what [Receiver.KeepDeadLetters] was offered
	Log         Log                      // as slog's TextHandler writes it, from level Debug on
}

// Run is one run of a callback.
type Run struct {
	Source  sonzaihook.Source
	Type    sonzaihook.EventType
	Project string
	ID      string // of the event
}

// DeadLetter is a delivery that was offered to a function of OnDeadLetter.
type DeadLetter struct {
	*sonzaihook.Delivery
	Reason error
}

// New returns a receiver that records its outcomes and its log. Nil secrets are
// [hooktest.Secret] for every type. An observer or a logger among the options comes
// after the recorder's: observers add up, and another logger takes the place of Log.
func New(t testing.TB, secrets sonzaihook.Secrets, options ...sonzaihook.Option) *Receiver {
	t.Helper()
	if secrets == nil {
		secrets = sonzaihook.Secret(hooktest.Secret)
	}
	r := &Receiver{}
	hooks, err := sonzaihook.New(secrets, append([]sonzaihook.Option{
		sonzaihook.WithLogger(slog.New(slog.NewTextHandler(&r.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))),
		sonzaihook.WithObserver(func(_ context.Context, o sonzaihook.Outcome) { r.Outcomes.Add(o) }),
	}, options...)...)
	if err != nil {
		t.Fatalf("recorder: %v", err)
	}
	r.Receiver = hooks
	return r
}

// HandleAll registers callbacks for every documented type and for every other, which
// record their runs and return err. It returns the receiver.
func (r *Receiver) HandleAll(err error) *Receiver {
	return r.HandleFunc(func(context.Context, int) error { return err })
}

// HandleFunc registers callbacks for every documented type and for every other, which
// record their runs and then call run. n counts the runs from 1. It returns the
// receiver.
func (r *Receiver) HandleFunc(run func(ctx context.Context, n int) error) *Receiver {
	r.OnMessage(callback[sonzaihook.Message](r, run))
	r.OnMoodChange(callback[sonzaihook.MoodChange](r, run))
	r.OnMemoryAdded(callback[sonzaihook.MemoryAdded](r, run))
	r.OnBreakthrough(callback[sonzaihook.Breakthrough](r, run))
	r.OnWakeup(callback[sonzaihook.Wakeup](r, run))
	r.OnConsolidation(callback[sonzaihook.Consolidation](r, run))
	r.OnOther(callback[json.RawMessage](r, run))
	return r
}

// Callback returns a callback for a type of the test's that records its runs and
// returns err.
func Callback[T any](r *Receiver, err error) func(context.Context, *sonzaihook.Event[T]) error {
	return callback[T](r, func(context.Context, int) error { return err })
}

func callback[T any](r *Receiver, run func(context.Context, int) error) func(context.Context, *sonzaihook.Event[T]) error {
	return func(ctx context.Context, e *sonzaihook.Event[T]) error {
		return run(ctx, r.Runs.Add(Run{e.Source, e.Type, e.ProjectID, e.ID}))
	}
}

// KeepDeadLetters registers a function for dead letters that records each and
// returns err. It returns the receiver.
func (r *Receiver) KeepDeadLetters(err error) *Receiver {
	r.OnDeadLetter(func(_ context.Context, d *sonzaihook.Delivery, why error) error {
		r.DeadLetters.Add(DeadLetter{d, why})
		return err
	})
	return r
}
