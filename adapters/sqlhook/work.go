package sqlhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Run takes deliveries that are due and runs them through the receiver until ctx
// ends, or the receiver shuts down; then it takes no more, waits for those that
// run, and returns nil. It returns an error if the tables are missing or an option
// is impossible; a database that goes away it waits for, and logs it.
//
// What becomes of a delivery follows its outcome. Done, ignored and duplicate: it
// leaves the queue. 503: it is due again after what the outcome asks for, which is
// no attempt. 500: it is due again after the backoff; after the last attempt, or
// when it is too old, Receiver.DeadLetter is asked, and it is kept as dead; while
// the dead letter fails it is asked again. 4xx, for which the receiver has asked the
// dead letter, and a type without a callback: it is kept as dead. See [Queue.Retry].
func (q *Queue) Run(ctx context.Context, hooks *sonzaihook.Receiver) error {
	if q.err != nil {
		return q.err
	}
	if hooks == nil {
		return fmt.Errorf("sqlhook: %w: Run with a nil receiver", sonzaihook.ErrInvalidOption)
	}
	if err := q.store.ready(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	w := &workers{q: q, hooks: hooks, running: make(chan struct{}, q.workers), freed: make(chan struct{}, 1), stop: stop}
	w.run(ctx)
	return nil
}

// ready reports whether there are tables of this version.
func (s *Store) ready(ctx context.Context) error {
	version, err := schemaVersion(ctx, s.db)
	if err != nil {
		if err = s.explain(ctx, "run", err); errors.Is(err, ErrSchema) {
			return err
		}
		return nil // it may come
	}
	return s.checkVersion("run", version)
}

// workers are what one call of Run has. One goroutine takes rows, and each row has
// one that runs it.
type workers struct {
	q       *Queue
	hooks   *sonzaihook.Receiver
	running chan struct{} // one element for each delivery that runs
	inHand  atomic.Int64  // rows that were taken and not settled yet
	freed   chan struct{} // of capacity one: there is a row less in hand
	usual   atomic.Int64  // how long a delivery runs of late, in nanoseconds
	stop    func()
	wg      sync.WaitGroup

	// Of the goroutine that takes. What it took lately was due from floor on. The rows
	// before are gone, but a database keeps their places in the index for a while,
	// and a look would walk over all of them. Now and then it does, because a
	// transaction that enqueued may have been committed late.
	floor     int64
	fromStart time.Time // the last look that did
}

const (
	troubled    = time.Second      // the pause after an error of the database
	callTimeout = 10 * time.Second // of one call to the database

	// Where deliveries run for less than quick, as many rows are taken ahead as there
	// are workers, so that these need not wait for the next look. A row that was
	// taken ahead and does not come to run within longestWait is given back: another
	// process may have a worker for it.
	quick       = 50 * time.Millisecond
	longestWait = time.Second

	lookFromStart = 5 * time.Second
)

func (w *workers) run(ctx context.Context) {
	defer w.wg.Wait()
	for {
		room := w.room(ctx)
		if room == 0 {
			return
		}
		rows, err := w.take(ctx, room)
		w.inHand.Add(int64(len(rows)))
		for _, t := range rows {
			w.wg.Go(func() {
				defer w.settled()
				w.handle(ctx, t)
			})
		}
		switch {
		case err != nil:
			w.q.store.logger.WarnContext(ctx, "sqlhook: queue not read", "queue", string(w.q.name), "error", err)
			w.wait(ctx, troubled)
		case len(rows) == 0: // where there are fewer than asked for, others may have been locked
			w.wait(ctx, w.q.poll)
		}
	}
}

// room waits until more rows may be taken, and returns how many; 0 when ctx ends.
func (w *workers) room(ctx context.Context) int {
	for ctx.Err() == nil {
		limit := int64(w.q.workers)
		if w.usual.Load() < int64(quick) {
			limit *= 2
		}
		if n := limit - w.inHand.Load(); n > 0 {
			return int(n)
		}
		select {
		case <-w.freed:
		case <-ctx.Done():
		}
	}
	return 0
}

func (w *workers) settled() {
	w.inHand.Add(-1)
	select {
	case w.freed <- struct{}{}:
	default:
	}
}

// take is not cut short by the end of ctx: rows that were taken would wait for
// their lease.
func (w *workers) take(ctx context.Context, n int) ([]*taken, error) {
	if ctx.Err() != nil {
		return nil, nil
	}
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if time.Since(w.fromStart) > lookFromStart {
		w.floor = 0
	}
	rows, err := w.q.take(inner, n, w.floor)
	if err == nil && len(rows) == 0 && w.floor != 0 {
		w.floor = 0
		rows, err = w.q.take(inner, n, 0)
	}
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	if w.floor == 0 {
		w.fromStart = time.Now()
	}
	if w.q.order != nil {
		return rows, nil // what waits for others was due long before
	}
	w.floor = rows[0].enqueued
	for _, t := range rows {
		w.floor = min(w.floor, t.enqueued)
	}
	return rows, nil
}

// wait waits until something was enqueued here, or for about the given time.
func (w *workers) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(jitter(d))
	defer timer.Stop()
	select {
	case <-w.q.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// jitter returns d, a fifth more or less.
func jitter(d time.Duration) time.Duration { return d - d/5 + rand.N(2*(d/5)+1) }

// handle runs one delivery, when it is its turn, and settles its row.
func (w *workers) handle(ctx context.Context, t *taken) {
	held, letGo := context.WithCancel(context.WithoutCancel(ctx))
	var keeping sync.WaitGroup
	keeping.Go(func() { w.keep(held, t) })
	defer keeping.Wait()
	defer letGo()
	if !w.turn(ctx) {
		w.postpone(ctx, t, 0, false, t.reason)
		return
	}
	defer func() { <-w.running }()
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
	start := time.Now()
	run := sonzaihook.ContextWithTimeout(context.WithValue(ctx, takenKey{}, t), w.q.timeout)
	out := w.hooks.Dispatch(run, d)
	w.usual.Store((3*w.usual.Load() + int64(time.Since(start))) / 4)
	w.conclude(ctx, t, d, out)
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
			w.settle(ctx, t, func(ctx context.Context, on querier) (int64, error) {
				_, err := w.q.delete(ctx, on, t)
				return 1, err // CommitTx may have deleted it
			})
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
