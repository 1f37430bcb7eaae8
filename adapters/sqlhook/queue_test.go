package sqlhook_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// patience is how long a test waits for what a loaded machine takes.
const patience = 30 * time.Second

// quick are options for tests that wait for retries.
func quick(options ...sqlhook.QueueOption) []sqlhook.QueueOption {
	return append([]sqlhook.QueueOption{
		sqlhook.WithPoll(20 * time.Millisecond), sqlhook.WithBackoff(10*time.Millisecond, 50*time.Millisecond),
		sqlhook.WithQueueLease(2 * time.Second),
	}, options...)
}

// line is a store with a queue, a front that puts in and a receiver that works.
type line struct {
	db    *sql.DB
	store *sqlhook.Store
	queue *sqlhook.Queue
	front *sonzaihook.Receiver
	hooks *sonzaihook.Receiver
}

func newLine(t testing.TB, d database, options ...sqlhook.QueueOption) *line {
	t.Helper()
	return newLineOn(t, d, d.open(t), options...)
}

func newLineOn(t testing.TB, d database, db *sql.DB, options ...sqlhook.QueueOption) *line {
	t.Helper()
	l := &line{db: db}
	l.store = newStore(t, l.db, d.dialect)
	l.queue = l.store.Queue("sonzai", quick(options...)...)
	l.front = newReceiver(t, l.store, sonzaihook.WithHandOff(l.queue.Enqueue))
	l.hooks = newReceiver(t, l.store, sonzaihook.WithHandOff(l.queue.Enqueue))
	return l
}

// work runs the queue until the test ends or stop is called.
func (l *line) work(t testing.TB) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- l.queue.Run(ctx, l.hooks) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("Run does not end")
		}
	})
	t.Cleanup(stop)
	return stop
}

func (l *line) stats(t testing.TB) sqlhook.Stats {
	t.Helper()
	stats, err := l.queue.Stats(t.Context())
	require.NoError(t, err)
	stats.Oldest = 0
	return stats
}

func (l *line) eventually(t testing.TB, want sqlhook.Stats) {
	t.Helper()
	var got sqlhook.Stats
	require.Eventually(t, func() bool {
		got = l.stats(t)
		return got == want
	}, patience, 20*time.Millisecond, "%+v", &got)
}

func TestADeliveryIsTakenDurablyAndRunsBehind(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		for range 3 { // copies
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
		}
		require.Equal(t, http.StatusBadRequest, hooktest.Deliver(t, l.front, []byte(`{"event_type":7}`)).Code)
		require.Equal(t, sqlhook.Stats{Waiting: 1, Due: 1}, l.stats(t))
		items, err := l.queue.List(t.Context(), sqlhook.ListOptions{})
		require.NoError(t, err)
		require.Len(t, items, 1)
		require.Equal(t, sonzaihook.EventMoodChange, items[0].Type)
		require.Equal(t, sonzaihook.SourceWebhook, items[0].Source)
		require.WithinDuration(t, time.Now(), items[0].SignedAt, time.Minute)
		require.Empty(t, items[0].Body)
		item, err := l.queue.Show(t.Context(), items[0].ID)
		require.NoError(t, err)
		require.Equal(t, string(moodChange(1)), string(item.Body))

		seen := make(chan *sonzaihook.MoodChangeEvent, 9)
		l.hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
			seen <- e
			return nil
		})
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		e := <-seen
		require.Equal(t, sonzaihook.SourceBroker, e.Source)
		require.Equal(t, "evt_1", e.ID)
		require.Equal(t, string(moodChange(1)), string(e.Raw))
		require.Empty(t, seen)

		// A copy after the run is a duplicate, and what is new is seen at once.
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, 2))
		l.eventually(t, sqlhook.Stats{})
		require.Equal(t, "evt_2", (<-seen).ID)
		require.Empty(t, seen)
	})
}

func TestTheOutcomeDecidesWhatBecomesOfARow(t *testing.T) {
	t.Parallel()
	errNo := errors.New("no\x00\xff")
	cases := map[string]struct {
		fail        func(run int) error
		letter      func(run int) error // the dead letter; nil: none
		runs, offer int
		want        sqlhook.Stats
		reason      string
	}{
		"success after failures": {fail: func(run int) error {
			if run < 3 {
				return errNo
			}
			return nil
		}, runs: 3},
		"retry after is no attempt": {fail: func(run int) error {
			if run < 2 {
				return sonzaihook.RetryAfter(errNo, time.Nanosecond)
			}
			return errNo
		}, runs: 4, want: sqlhook.Stats{Dead: 1}, reason: "gave up after 3 attempts"},
		"a panic each time": {fail: func(int) error { panic(errNo) }, runs: 3, want: sqlhook.Stats{Dead: 1}, reason: "panicked"},
		"attempts spent, the dead letter keeps it": {
			fail: func(int) error { return errNo }, letter: func(int) error { return nil },
			runs: 3, offer: 1, want: sqlhook.Stats{Dead: 1}, reason: "gave up",
		},
		"attempts spent, the dead letter fails twice": {
			fail: func(int) error { return errNo }, letter: func(run int) error {
				if run < 3 {
					return errNo
				}
				return nil
			}, runs: 3, offer: 3, want: sqlhook.Stats{Dead: 1}, reason: "gave up",
		},
		"permanent without a dead letter": {fail: func(int) error { return sonzaihook.Permanent(errNo) }, runs: 1, want: sqlhook.Stats{Dead: 1}, reason: "rejected"},
		"ignore":                          {fail: func(int) error { return sonzaihook.Ignore("of no interest") }, runs: 1},
		"queued":                          {fail: func(int) error { return sonzaihook.Queued() }, runs: 1},
	}
	onEach(t, func(t *testing.T, d database) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				l := newLine(t, d, sqlhook.WithAttempts(3))
				var runs, offers atomic.Int64
				l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return c.fail(int(runs.Add(1))) })
				if c.letter != nil {
					l.hooks.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error { return c.letter(int(offers.Add(1))) })
				}
				require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
				l.work(t)
				l.eventually(t, c.want)
				require.EqualValues(t, c.runs, runs.Load())
				require.EqualValues(t, c.offer, offers.Load())
				if c.want.Dead > 0 {
					items, err := l.queue.List(t.Context(), sqlhook.ListOptions{Dead: true})
					require.NoError(t, err)
					require.Contains(t, items[0].Reason, c.reason)
					require.True(t, items[0].Dead)
				}
			})
		}
	})
}

func TestATypeWithoutACallbackIsKeptAndCanBeRetried(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
		l.work(t)
		l.eventually(t, sqlhook.Stats{Dead: 1})
		items, err := l.queue.List(t.Context(), sqlhook.ListOptions{Dead: true})
		require.NoError(t, err)
		require.Equal(t, "no callback", items[0].Reason)

		ran := make(chan string, 1)
		l.hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
			ran <- e.ID
			return nil
		})
		require.NoError(t, l.queue.Retry(t.Context(), items[0].ID))
		require.Equal(t, "evt_1", <-ran)
		l.eventually(t, sqlhook.Stats{})
		require.ErrorIs(t, l.queue.Retry(t.Context(), items[0].ID), sqlhook.ErrNoItem)
		require.ErrorIs(t, l.queue.Drop(t.Context(), items[0].ID), sqlhook.ErrNoItem)
		_, err = l.queue.Show(t.Context(), items[0].ID)
		require.ErrorIs(t, err, sqlhook.ErrNoItem)
	})
}

func TestADeadDeliveryLivesAgainWhenItIsEnqueuedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		for n := range 3 {
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, n))
		}
		stop := l.work(t)
		l.eventually(t, sqlhook.Stats{Dead: 3})
		stop()
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
		require.Equal(t, sqlhook.Stats{Waiting: 1, Due: 1, Dead: 2}, l.stats(t))
		n, err := l.queue.RetryDead(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		require.Equal(t, sqlhook.Stats{Waiting: 3, Due: 3}, l.stats(t))
		items, err := l.queue.List(t.Context(), sqlhook.ListOptions{Limit: 2})
		require.NoError(t, err)
		require.Len(t, items, 2)
		require.NoError(t, l.queue.Drop(t.Context(), items[0].ID))
		rest, err := l.queue.List(t.Context(), sqlhook.ListOptions{After: items[0].Seq})
		require.NoError(t, err)
		require.Len(t, rest, 2)
		names, err := l.store.Queues(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"sonzai"}, names)
	})
}

func TestSweepDeletesDeadDeliveriesAfterTheirRetention(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithRetention(time.Millisecond))
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
		stop := l.work(t)
		l.eventually(t, sqlhook.Stats{Dead: 1})
		stop()
		time.Sleep(10 * time.Millisecond)
		_, err := l.store.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, sqlhook.Stats{}, l.stats(t))
	})
}

func TestWithInTxADeliveryLeavesTheQueueInItsTransaction(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		for _, c := range []struct {
			name string
			long time.Duration
		}{{"quick", 0}, {"with renewals", 1500 * time.Millisecond}} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				l := newLine(t, d)
				createEffects(t, l.db)
				l.hooks.Use(l.store.InTx(&sql.TxOptions{Isolation: sql.LevelSerializable}))
				l.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
					tx, err := sqlhook.Tx(ctx)
					if err != nil {
						return err
					}
					if err := pauseFor(ctx, c.long); err != nil {
						return err
					}
					return insertEffect(ctx, tx, d.dialect, e.ID)
				})
				const events = 3
				for n := range events {
					require.Equal(t, http.StatusAccepted, deliver(t, l.front, n))
				}
				l.work(t)
				l.eventually(t, sqlhook.Stats{})
				for n := range events {
					require.Equal(t, 1, countEffectsOf(t, l.db, d.dialect, fmt.Sprint("evt_", n)))
				}
			})
		}
	})
}

func TestManyWorkersRunEachDeliveryOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		dsn := d.create(t)
		db := d.connect(t, dsn)
		newStore(t, db, d.dialect)
		createEffects(t, db)
		var lines []*line
		for range 3 {
			l := &line{db: d.connect(t, dsn)}
			l.store = newStore(t, l.db, d.dialect)
			l.queue = l.store.Queue("sonzai", quick(sqlhook.WithWorkers(4))...)
			l.front = newReceiver(t, l.store, sonzaihook.WithHandOff(l.queue.Enqueue))
			l.hooks = newReceiver(t, l.store)
			l.hooks.Use(l.store.InTx(nil))
			l.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
				tx, err := sqlhook.Tx(ctx)
				if err != nil {
					return err
				}
				return insertEffect(ctx, tx, d.dialect, e.ID)
			})
			l.work(t)
			lines = append(lines, l)
		}
		const events = 100
		var wg sync.WaitGroup
		for _, l := range lines { // copies at each
			for n := range events {
				wg.Go(func() {
					for deliver(t, l.front, n) != http.StatusAccepted {
						time.Sleep(10 * time.Millisecond)
					}
				})
			}
		}
		wg.Wait()
		lines[0].eventually(t, sqlhook.Stats{})
		require.Equal(t, events, countEffects(t, db))
	})
}

func TestAWorkerThatDiesLosesItsRowsToAnother(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithQueueLease(time.Second))
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
		// A worker that took the row and was killed, and wrote of it.
		execAll(t, l.db, "UPDATE sonzaihook_queue SET due = due + 1500000, attempt = 1, token = "+literal(d.dialect, "61"))
		require.Equal(t, sqlhook.Stats{Running: 1}, l.stats(t))
		require.ErrorIs(t, l.queue.Drop(t.Context(), firstID(t, l)), sqlhook.ErrNoItem, "it runs")
		var runs atomic.Int64
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			runs.Add(1)
			return nil
		})
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.EqualValues(t, 1, runs.Load())
	})
}

func firstID(t testing.TB, l *line) string {
	t.Helper()
	items, err := l.queue.List(t.Context(), sqlhook.ListOptions{})
	require.NoError(t, err)
	require.NotEmpty(t, items)
	return items[0].ID
}

func TestAWorkerThatLostItsRowDoesNotSettleIt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1))
		l.hooks.OnMoodChange(func(ctx context.Context, _ *sonzaihook.MoodChangeEvent) error {
			execAll(t, l.db, "UPDATE sonzaihook_queue SET due = due + 3600000000, token = "+literal(d.dialect, "62")) // another took it
			return nil
		})
		stop := l.work(t)
		l.eventually(t, sqlhook.Stats{Running: 1})
		time.Sleep(200 * time.Millisecond)
		stop()
		require.Equal(t, sqlhook.Stats{Running: 1}, l.stats(t), "the row is the other's")
	})
}

func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithWorkers(1))
		begun, finish := make(chan struct{}, 9), make(chan struct{})
		var runs atomic.Int64
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			begun <- struct{}{}
			<-finish
			runs.Add(1)
			return nil
		})
		for n := range 3 {
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, n))
		}
		stop := l.work(t)
		<-begun
		time.AfterFunc(100*time.Millisecond, func() { close(finish) })
		stop()
		require.EqualValues(t, 1, runs.Load(), "what ran finished, and nothing else began")
		require.Equal(t, sqlhook.Stats{Waiting: 2, Due: 2}, l.stats(t))

		// A receiver that shuts down ends Run, and the rows wait.
		require.NoError(t, l.hooks.Shutdown(t.Context()))
		require.NoError(t, l.queue.Run(t.Context(), l.hooks))
		require.Equal(t, sqlhook.Stats{Waiting: 2, Due: 2}, l.stats(t))
		items, err := l.queue.List(t.Context(), sqlhook.ListOptions{})
		require.NoError(t, err)
		require.Zero(t, items[0].Attempts)
	})
}

func TestDeliveriesOfOneKeyRunInOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithOrder(func(d *sonzaihook.Delivery) string { return string(d.Type) }))
		var mu sync.Mutex
		var order []string
		var running, tries atomic.Int64
		l.hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
			if running.Add(1) != 1 {
				t.Error("two of one key at a time")
			}
			defer running.Add(-1)
			if tries.Add(1) == 3 {
				return errors.New("the others wait for the retry")
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, e.ID)
			return nil
		})
		other := make(chan struct{}, 1)
		l.hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
			other <- struct{}{}
			return nil
		})
		var want []string
		for n := range 10 {
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, n))
			want = append(want, fmt.Sprint("evt_", n))
		}
		require.Equal(t, http.StatusAccepted, hooktest.Deliver(t, l.front, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.Equal(t, want, order)
		<-other
	})
}

func TestABacklogIsBounded(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithMaxBacklog(3))
		for n := range 3 {
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, n))
		}
		answer := hooktest.Deliver(t, l.front, moodChange(3))
		require.Equal(t, http.StatusServiceUnavailable, answer.Code)
		require.Contains(t, answer.Body.String(), sonzaihook.CodeQueueUnavailable)
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
		l.work(t)
		require.Eventually(t, func() bool { return deliver(t, l.front, 3) == http.StatusAccepted }, patience, 50*time.Millisecond)
		l.eventually(t, sqlhook.Stats{})
	})
}

func TestEnqueueTxIsPartOfTheCallersTransaction(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		delivery := &sonzaihook.Delivery{ID: "\xff\x00", Type: "app.own", Body: []byte(`{"event_type":"app.own"}`)}
		for _, commit := range []bool{false, true} {
			tx, err := l.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			require.NoError(t, l.queue.EnqueueTx(t.Context(), tx, delivery))
			if !commit {
				require.NoError(t, tx.Rollback())
				require.Equal(t, sqlhook.Stats{}, l.stats(t))
				continue
			}
			require.NoError(t, tx.Commit())
		}
		require.Equal(t, "\xff\x00", firstID(t, l))
		ran := make(chan struct{}, 1)
		sonzaihook.On(l.hooks, "app.own", func(context.Context, *sonzaihook.Event[map[string]any]) error {
			ran <- struct{}{}
			return nil
		})
		l.work(t)
		<-ran
		l.eventually(t, sqlhook.Stats{})
	})
}

func TestARowOfANewerFormatIsLeftAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		for n := range 2 {
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, n))
		}
		execAll(t, l.db, "UPDATE sonzaihook_queue SET format = 99 WHERE seq = 1")
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
		l.work(t)
		l.eventually(t, sqlhook.Stats{Waiting: 1, Due: 1})
	})
}

func TestAQueueRefusesImpossibleOptions(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", ":memory:")
	store, err := sqlhook.New(db, sqlhook.SQLite)
	require.NoError(t, err)
	for name, option := range map[string]sqlhook.QueueOption{
		"nil": nil, "workers": sqlhook.WithWorkers(0), "lease": sqlhook.WithQueueLease(time.Millisecond), "poll": sqlhook.WithPoll(0),
		"timeout": sqlhook.WithRunTimeout(-1), "attempts": sqlhook.WithAttempts(0), "backoff": sqlhook.WithBackoff(2, 1),
		"age": sqlhook.WithMaxAge(0), "retention": sqlhook.WithRetention(0), "backlog": sqlhook.WithMaxBacklog(-1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := store.Queue("q", option)
			require.ErrorIs(t, q.Enqueue(t.Context(), &sonzaihook.Delivery{Body: []byte("{}")}), sonzaihook.ErrInvalidOption)
			require.ErrorIs(t, q.Run(t.Context(), nil), sonzaihook.ErrInvalidOption)
		})
	}
}

func TestRunWithoutTablesSaysSo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		store, err := sqlhook.New(d.open(t), d.dialect)
		require.NoError(t, err)
		q := store.Queue("q")
		require.ErrorIs(t, q.Run(t.Context(), newReceiver(t, store)), sqlhook.ErrSchema)
		require.ErrorIs(t, q.Enqueue(t.Context(), &sonzaihook.Delivery{ID: "a", Body: []byte("{}")}), sqlhook.ErrSchema)
	})
}
