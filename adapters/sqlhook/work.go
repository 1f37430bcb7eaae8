package sqlhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
// leaves the queue. 503: it is due again after what the outcome asks for, which is no
// attempt; while the receiver is overloaded a worker asks it again for up to a second
// first. 500: it is due again after the backoff; after the last attempt, or when it is
// too old, Receiver.DeadLetter is asked, and it is kept as dead; while the dead letter
// fails it is asked again. 4xx, for which the receiver has asked the dead letter, and a
// type without a callback: it is kept as dead. See [Queue.Retry].
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
	w.usual.Store(int64(quick)) // until it is known
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
	suspect atomic.Bool   // one of them is a suspect
	strict  atomic.Bool   // the receiver has refused to run as many at once
	freed   chan struct{} // of capacity one: there is a row less in hand
	usual   atomic.Int64  // how long a delivery runs of late, in nanoseconds
	stop    func()
	wg      sync.WaitGroup

	// Of the goroutine that takes. What it took lately was due from floor on. The rows
	// before are gone, but a database keeps their places in the index for a while,
	// and a look would walk over all of them. Now and then it does, because a
	// transaction that enqueued may have been committed late.
	floor       int64
	fromStart   time.Time // the last look that did
	forSuspects time.Time // the last look for suspects that found none
	size        int       // of a body of late, in bytes
}

const (
	troubled    = time.Second      // the pause after an error of the database
	callTimeout = 10 * time.Second // of one call to the database

	// Where deliveries run for less than quick, rows are taken ahead, as many as run
	// in aheadFor, so that workers need not wait for the next look and looks are few.
	// A row that was taken ahead and does not come to run within longestWait is given
	// back: another process may have a worker for it.
	quick       = 50 * time.Millisecond
	aheadFor    = 20 * time.Millisecond
	mostAhead   = 128
	bytesAhead  = 16 << 20 // of the bodies of what is taken ahead
	longestWait = time.Second

	shortestPause = 10 * time.Millisecond // while the receiver is overloaded

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
		if err == nil {
			var one []*taken
			one, err = w.takeSuspect(ctx, rows)
			rows = append(rows, one...)
		}
		w.inHand.Add(int64(len(rows)))
		for _, t := range rows {
			w.size = (7*w.size + len(t.body)) / 8
			w.wg.Go(func() {
				defer w.settled(t)
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

// room waits until there is room for rows that are worth a look, and returns how
// many; 0 when ctx ends.
func (w *workers) room(ctx context.Context) int {
	for ctx.Err() == nil {
		limit, worth := w.q.workers, 1
		if n := w.ahead(); n > limit {
			limit, worth = n, n/2
		}
		if n := limit - int(w.inHand.Load()); n >= worth {
			return n
		}
		select {
		case <-w.freed:
		case <-ctx.Done():
		}
	}
	return 0
}

// ahead returns how many rows run in aheadFor, within bounds.
func (w *workers) ahead() int {
	usual := time.Duration(w.usual.Load())
	if usual >= quick {
		return 0
	}
	each := min(aheadFor/max(usual, 1), mostAhead)
	n := min(w.q.workers*max(int(each), 2), mostAhead)
	return min(n, bytesAhead/max(w.size, 1))
}

func (w *workers) settled(t *taken) {
	if t.suspect {
		w.suspect.Store(false)
	}
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
	rows, err := w.q.take(inner, n, span{from: w.floor}, false)
	if err == nil && len(rows) == 0 && w.floor != 0 {
		w.floor = 0
		rows, err = w.q.take(inner, n, span{}, false)
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

// takeSuspect takes a suspect if none runs here. Suspects are looked for where the
// queue has been read already, up to what was taken last: beyond that every row waits,
// and a look would walk over all of them. A suspect that was due later waits for its
// turn.
func (w *workers) takeSuspect(ctx context.Context, last []*taken) ([]*taken, error) {
	if ctx.Err() != nil || w.suspect.Load() || time.Since(w.forSuspects) < w.q.poll {
		return nil, nil
	}
	var due span
	if len(last) > 0 {
		if w.forSuspects.After(w.fromStart) { // and so this one would start where rows are gone
			return nil, nil
		}
		for _, t := range last {
			due.until = max(due.until, t.enqueued)
		}
	}
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	rows, err := w.q.take(inner, 1, due, true)
	if len(rows) == 0 {
		w.forSuspects = time.Now()
	}
	for _, t := range rows {
		t.suspect = true
		w.suspect.Store(true)
	}
	return rows, err
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
