package sqlhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
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
	w := &workers{q: q, hooks: hooks, slots: make(chan struct{}, q.workers), stop: stop}
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

// workers are what one call of Run has.
type workers struct {
	q     *Queue
	hooks *sonzaihook.Receiver
	slots chan struct{} // one element for each delivery that runs
	stop  func()
	wg    sync.WaitGroup
}

// Pauses of the loop that takes.
const (
	gatherPause = time.Millisecond // for more slots to become free, while there is much to do
	troubled    = time.Second      // after an error of the database
	callTimeout = 10 * time.Second // of one call to the database
)

func (w *workers) run(ctx context.Context) {
	defer w.wg.Wait()
	busy := false
	for w.acquire(ctx, busy) {
		free := 1 + w.acquireMore()
		rows, err := w.take(ctx, free)
		if err != nil && ctx.Err() == nil {
			w.q.store.logger.WarnContext(ctx, "sqlhook: queue not read", "queue", string(w.q.name), "error", err)
		}
		for range free - len(rows) {
			<-w.slots
		}
		for _, t := range rows {
			w.wg.Go(func() {
				defer func() { <-w.slots }()
				w.handle(ctx, t)
			})
		}
		busy = err == nil && len(rows) == free
		switch {
		case err != nil:
			w.wait(ctx, troubled)
		case !busy:
			w.wait(ctx, w.q.poll)
		}
	}
}

// acquire waits for a free slot, and reports whether there is one before ctx ends.
func (w *workers) acquire(ctx context.Context, busy bool) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if busy && w.q.workers > 1 {
		time.Sleep(gatherPause)
	}
	return true
}

func (w *workers) acquireMore() int {
	for n := 0; ; n++ {
		select {
		case w.slots <- struct{}{}:
		default:
			return n
		}
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
	return w.q.take(inner, n)
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

// handle runs one delivery and settles its row.
func (w *workers) handle(ctx context.Context, t *taken) {
	if ctx.Err() != nil {
		w.settle(ctx, t, func(ctx context.Context, on querier) (int64, error) {
			return w.q.postpone(ctx, on, t, 0, false, t.reason)
		})
		return
	}
	ctx = context.WithoutCancel(ctx)
	d, err := t.delivery()
	if err != nil {
		w.bury(ctx, t, err.Error())
		return
	}
	held, letGo := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { w.keep(held, t) })
	defer keeping.Wait()
	defer letGo()
	if t.attempt > w.q.attempts { // a worker died on it, or the dead letter failed
		w.giveUp(ctx, t, d, errors.New(t.reason))
		return
	}
	run := sonzaihook.ContextWithTimeout(context.WithValue(ctx, takenKey{}, t), w.q.timeout)
	w.conclude(ctx, t, d, w.hooks.Dispatch(run, d))
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

func (w *workers) bury(ctx context.Context, t *taken, reason string) {
	w.q.store.logger.WarnContext(ctx, "sqlhook: delivery kept as dead", "queue", string(w.q.name), "row", t.seq, "reason", reason)
	w.settle(ctx, t, func(ctx context.Context, on querier) (int64, error) { return w.q.bury(ctx, on, t, bounded(reason)) })
}

func (w *workers) postpone(ctx context.Context, t *taken, after time.Duration, counts bool, reason string) {
	w.settle(ctx, t, func(ctx context.Context, on querier) (int64, error) {
		return w.q.postpone(ctx, on, t, after, counts, bounded(reason))
	})
}

// settle changes a row that the worker has. If it cannot, the row is due again when
// its lease ends, and the claim says what became of the delivery.
func (w *workers) settle(ctx context.Context, t *taken, change func(context.Context, querier) (int64, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	var changed int64
	err := w.q.store.write(ctx, "settle", func(ctx context.Context, on querier) error {
		var err error
		changed, err = change(ctx, on)
		return err
	})
	if err == nil && changed == 0 {
		err = sonzaihook.ErrLeaseLost
	}
	if err != nil {
		w.q.store.logger.WarnContext(ctx, "sqlhook: row of a queue not settled, it runs again when its lease ends", "queue", string(w.q.name), "row", t.seq, "error", err)
	}
}

// keep renews the lease of a row until ctx ends.
func (w *workers) keep(ctx context.Context, t *taken) {
	tick := time.NewTicker(w.q.lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !t.renews() {
			continue
		}
		inner, cancel := context.WithTimeout(ctx, w.q.lease/3)
		err := w.q.store.write(inner, "renew", func(ctx context.Context, on querier) error {
			_, err := w.q.renew(ctx, on, t)
			return err
		})
		cancel()
		if err != nil && ctx.Err() == nil {
			w.q.store.logger.WarnContext(ctx, "sqlhook: lease of a row not renewed", "queue", string(w.q.name), "row", t.seq, "error", err)
		}
	}
}

// maxReason bounds what is stored of an error, in bytes.
const maxReason = 500

func reasonOf(out sonzaihook.Outcome) string {
	if out.Err == nil {
		return out.Code
	}
	return out.Code + ": " + textOf(out.Err)
}

// textOf returns the text of an error of user code, which may panic.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("%T", err)
		}
	}()
	return bounded(err.Error())
}

// bounded returns text that every database takes.
func bounded(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", " ")
}
