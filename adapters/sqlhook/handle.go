package sqlhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// handle runs one delivery, when it is its turn, and settles its row.
func (w *workers) handle(ctx context.Context, t *taken) {
	held, letGo := context.WithCancel(context.WithoutCancel(ctx))
	var keeping sync.WaitGroup
	keeping.Go(func() { w.keep(held, t) })
	defer keeping.Wait()
	defer letGo()
	if !w.turn(ctx) {
		w.usual.Store(int64(quick)) // those that run are slower than the last were
		w.postpone(ctx, t, 0, false, t.reason)
		return
	}
	w.begin(t)
	defer t.free()
	stopped := ctx.Done()
	ctx = context.WithoutCancel(ctx)
	d, err := t.delivery()
	if err != nil {
		w.bury(ctx, t, err.Error())
		return
	}
	if t.attempt > w.q.attempts { // a worker died on it, or the dead letter failed
		w.giveUp(ctx, t, d, errors.New(t.reason))
		return
	}
	run := sonzaihook.ContextWithTimeout(context.WithValue(ctx, takenKey{}, t), w.q.timeout)
	w.conclude(ctx, t, d, w.dispatch(run, stopped, d))
}

// dispatch runs a delivery. While the receiver runs as many as its WithMaxInFlight
// allows, it asks again after a pause, for up to longestWait: put off at once, the
// delivery would make room for the next one, which is refused as well, and so on
// through all that wait.
func (w *workers) dispatch(run context.Context, stopped <-chan struct{}, d *sonzaihook.Delivery) sonzaihook.Outcome {
	start := time.Now()
	for pause := shortestPause; ; pause *= 2 {
		out := w.hooks.Dispatch(run, d)
		if out.Code != sonzaihook.CodeOverloaded {
			return out
		}
		w.strict.Store(true)
		if time.Since(start)+pause > longestWait {
			return out
		}
		select {
		case <-time.After(jitter(pause)):
		case <-stopped:
			return out
		}
	}
}

// turn waits for a worker that is free, and reports whether there is one in time.
func (w *workers) turn(ctx context.Context) bool {
	timer := time.NewTimer(longestWait)
	defer timer.Stop()
	if ctx.Err() != nil {
		return false
	}
	select {
	case w.running <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// begin says what lets the next delivery begin: that the callbacks of this one are
// over. Then rows whose "done" is still to be written, or that are still to be
// settled, share the statement that does it. Where the receiver's WithMaxInFlight
// counts those that wait for it as well, they are waited for.
func (w *workers) begin(t *taken) {
	start := time.Now()
	t.free = sync.OnceFunc(func() {
		w.usual.Store((3*w.usual.Load() + int64(time.Since(start))) / 4)
		<-w.running
	})
	t.over = func() {
		if !w.strict.Load() {
			t.free()
		}
	}
}

// conclude does with a row what its outcome says.
func (w *workers) conclude(ctx context.Context, t *taken, d *sonzaihook.Delivery, out sonzaihook.Outcome) {
	after, again := out.Retry()
	tooOld := t.age > w.q.maxAge
	reason := reasonOf(out)
	switch {
	case out.Code == sonzaihook.CodeShuttingDown:
		w.stop()
		w.postpone(ctx, t, 0, false, t.reason)
	case again && out.Status == http.StatusServiceUnavailable && !tooOld:
		w.postpone(ctx, t, jitter(max(after, time.Second)), false, reason)
	case again && (t.attempt >= w.q.attempts || tooOld):
		w.giveUp(ctx, t, d, fmt.Errorf("sqlhook: gave up after %d attempts in %v: %w", t.attempt, t.age.Round(time.Second), cause(out)))
	case again:
		w.postpone(ctx, t, w.q.backoff(t.attempt), true, reason)
	case out.Code == sonzaihook.CodeIgnored && out.Err == nil:
		w.bury(ctx, t, "no callback")
	case out.Status < http.StatusMultipleChoices:
		if !t.left.Load() {
			w.leave(ctx, t)
		}
	default:
		w.bury(ctx, t, reason)
	}
}

// cause returns why an outcome is no success.
func cause(out sonzaihook.Outcome) error {
	if out.Err != nil {
		return out.Err
	}
	return errors.New(out.Code)
}

// backoff returns the wait after a number of attempts.
func (q *Queue) backoff(attempt int) time.Duration {
	wait := q.first
	for range attempt - 1 {
		if wait >= q.most/2 {
			wait = q.most
			break
		}
		wait *= 2
	}
	return jitter(wait)
}

// giveUp offers a delivery to the dead letter, and keeps it as dead. While the dead
// letter fails it is offered again.
func (w *workers) giveUp(ctx context.Context, t *taken, d *sonzaihook.Delivery, why error) {
	inner, cancel := context.WithTimeout(ctx, max(w.q.timeout, callTimeout))
	defer cancel()
	err := w.hooks.DeadLetter(inner, d, why)
	if err != nil && !errors.Is(err, sonzaihook.ErrNoDeadLetter) {
		w.q.store.logger.ErrorContext(ctx, "sqlhook: dead letter failed, it is asked again", "queue", string(w.q.name), "delivery", d.ID, "error", err)
		w.postpone(ctx, t, w.q.backoff(t.attempt), true, textOf(why))
		return
	}
	w.bury(ctx, t, textOf(why))
}
