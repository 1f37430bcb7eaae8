package hooktest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

var errOfCallback = errors.New("hooktest: the callback failed")

// verdictParts are about what callbacks return.
var verdictParts = []txPart{
	{"what commits leaves its row, and a copy is a duplicate", func(t *txTest) {
		for n, c := range []struct {
			verdict error
			status  int
		}{
			{nil, http.StatusOK}, {sonzaihook.Ignore("of no interest"), http.StatusOK}, {sonzaihook.Queued(), http.StatusAccepted},
		} {
			p := t.startWith(func(context.Context, *txProcess) error { return c.verdict })
			t.wantStatus(p.deliver(n), c.status)
			t.wantRows(n, 1)
			t.wantStatus(p.deliver(n), http.StatusOK)
			t.once(n)
		}
	}},
	{"what fails leaves nothing, and its retry one row", func(t *txTest) {
		for n, c := range []struct {
			fail   func() error
			status int
		}{
			{func() error { return errOfCallback }, http.StatusInternalServerError},
			{func() error { return sonzaihook.Permanent(errOfCallback) }, http.StatusUnprocessableEntity},
			{func() error { return sonzaihook.RetryAfter(errOfCallback, time.Second) }, http.StatusServiceUnavailable},
			{func() error { panic(errOfCallback) }, http.StatusInternalServerError},
			{func() error { runtime.Goexit(); return nil }, http.StatusInternalServerError},
		} {
			p := t.startWith(func(context.Context, *txProcess) error { return c.fail() })
			t.wantStatus(p.deliver(n), c.status)
			t.wantRows(n, 0)
			t.once(n)
		}
	}},
	{"two callbacks are one transaction", func(t *txTest) {
		p := t.startWith(nil)
		failed := false
		p.on(func(context.Context, *txProcess) error {
			if failed {
				return nil
			}
			failed = true
			return errOfCallback
		})
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.wantRows(1, 0)
		t.wantStatus(p.deliver(1), http.StatusOK)
		t.wantRows(1, 2)
		t.wantStatus(p.deliver(1), http.StatusOK)
		t.wantRows(1, 2)
	}},
	{"a callback that writes nothing is done as well", func(t *txTest) {
		p, runs := t.start(), 0
		p.hooks.Use(p.InTx)
		p.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			runs++
			return nil
		})
		t.wantStatus(p.deliver(1), http.StatusOK)
		t.wantStatus(p.deliver(1), http.StatusOK)
		if runs != 1 {
			t.Fatalf("the callback ran %d times, want 1", runs)
		}
	}},
	{"every isolation level writes once, with renewals beside it", func(t *txTest) {
		for n, level := range levelsOf(t) {
			t.Run(level, func(sub *testing.T) { // one at a time: SQLite has one writer
				t := &txTest{T: sub, db: t.db}
				p := t.start()
				p.hooks.Use(p.Levels[level])
				p.on(func(ctx context.Context, _ *txProcess) error { return rest(ctx, txLease*2/3) })
				t.wantStatus(p.deliver(n), http.StatusOK)
				t.wantRows(n, 1)
				t.once(n)
			})
		}
	}},
	{"an error after the caller's own commit is not run again", func(t *txTest) {
		p := t.start()
		p.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
			return errors.Join(p.CommitTx(ctx, e.ID), errOfCallback)
		})
		t.wantStatus(p.deliver(1), http.StatusInternalServerError)
		t.wantRows(1, 1)
		t.wantStatus(p.deliver(1), http.StatusOK)
		t.once(1)
	}},
	{"a key that was committed in a transaction is done for everybody", func(t *txTest) {
		p := t.startWith(nil)
		t.wantStatus(p.deliver(1), http.StatusOK)
		key := p.last.Load().DeliveryID
		for _, store := range []sonzaihook.Store{p.Store, t.db.Start(t).Store} {
			s := storeTest{T: t.T, store: store}
			s.claims(key, "other", longTime, sonzaihook.Done)
			s.fails("Release", store.Release(t.Context(), key, "other"), sonzaihook.ErrLeaseLost)
		}
	}},
	{"copies side by side leave one row each", (*txTest).sideBySide},
}

func levelsOf(t *txTest) []string {
	var levels []string
	for level := range t.db.Start(t).Levels {
		levels = append(levels, level)
	}
	return levels
}

// rest waits like a callback that respects its context.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sideBySide lets three processes have copies of the same events at once.
func (t *txTest) sideBySide() {
	const events, copies = 8, 3
	var processes []*txProcess
	for range copies {
		processes = append(processes, t.startWith(nil))
	}
	var wg sync.WaitGroup
	for n := range events {
		for _, p := range processes {
			wg.Go(func() { p.settle(n) })
		}
	}
	wg.Wait()
	for n := range events {
		t.wantRows(n, 1)
	}
	if t.Failed() {
		t.Fatal(fmt.Sprint("of ", events, " events"))
	}
}
