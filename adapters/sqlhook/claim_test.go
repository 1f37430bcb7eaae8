package sqlhook_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// learn runs one delivery, so that the queue knows that its receiver claims in the
// same store, and stops.
func (l *line) learn(t testing.TB) {
	t.Helper()
	require.Equal(t, http.StatusAccepted, deliver(t, l.front, 1000))
	stop := l.work(t)
	l.eventually(t, sqlhook.Stats{})
	stop()
}

// enqueue puts deliveries in, and returns their keys.
func (l *line) enqueue(t testing.TB, n int) []string {
	t.Helper()
	for i := range n {
		require.Equal(t, http.StatusAccepted, deliver(t, l.front, i))
	}
	items, err := l.queue.List(t.Context(), sqlhook.ListOptions{})
	require.NoError(t, err)
	require.Len(t, items, n)
	var keys []string
	for _, item := range items {
		keys = append(keys, item.ID)
	}
	return keys
}

func TestRowsThatAreTakenTogetherAreClaimedTogether(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithWorkers(8))
		var runs atomic.Int64
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			runs.Add(1)
			return nil
		})
		l.learn(t)
		execAll(t, l.db, "DELETE FROM sonzaihook_leases")
		l.enqueue(t, 8)
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.EqualValues(t, 9, runs.Load())
		var keys, tokens, done int
		require.NoError(t, l.db.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT token) FROM sonzaihook_leases").Scan(&keys, &tokens))
		require.NoError(t, l.db.QueryRowContext(t.Context(), "SELECT count(*) FROM sonzaihook_done").Scan(&done))
		require.Equal(t, []int{8, 1, 9}, []int{keys, tokens, done})
	})
}

func TestAKeyThatIsHeldOrDoneIsNotClaimedWithItsRow(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithWorkers(8))
		began := make(chan string, 20)
		l.hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
			began <- e.ID
			return nil
		})
		l.learn(t)
		<-began
		keys := l.enqueue(t, 3)
		for _, key := range keys[:2] {
			state, err := l.store.Claim(t.Context(), key, "another", time.Minute)
			require.NoError(t, err)
			require.Equal(t, sonzaihook.Claimed, state)
		}
		require.NoError(t, l.store.Commit(t.Context(), keys[1], "another", time.Minute))
		l.work(t)
		require.Equal(t, "evt_2", <-began)
		l.eventually(t, sqlhook.Stats{Waiting: 1})
		require.Empty(t, began, "one is done, and the other another's")
		require.NoError(t, l.store.Release(t.Context(), keys[0], "another"))
		l.eventually(t, sqlhook.Stats{})
		require.Equal(t, "evt_0", <-began)
		require.Empty(t, began)
	})
}

func TestARowThatIsGivenBackLeavesItsKeyUnclaimed(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		keys := l.enqueue(t, 4)
		claimed, err := l.queue.TakeAndGiveBack(t.Context(), 3, time.Minute)
		require.NoError(t, err)
		require.Equal(t, 3, claimed)
		require.Equal(t, sqlhook.Stats{Waiting: 4, Due: 4}, l.stats(t))
		for _, key := range keys {
			state, err := l.store.Claim(t.Context(), key, "another", time.Minute)
			require.NoError(t, err)
			require.Equal(t, sonzaihook.Claimed, state)
		}
	})
}

func TestRowsThatAreTakenAheadOfASlowDeliveryAreGivenBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithWorkers(1))
		var slow atomic.Bool
		began, finish := make(chan struct{}, 50), make(chan struct{})
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			if slow.Load() {
				began <- struct{}{}
				<-finish
			}
			return nil
		})
		for n := range 40 { // quick ones, after which rows are taken ahead
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, 100+n))
		}
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		slow.Store(true)
		defer close(finish)
		l.enqueue(t, 4)
		<-began
		time.Sleep(500 * time.Millisecond) // the others are taken, unless the machine is slow
		l.eventually(t, sqlhook.Stats{Running: 1, Waiting: 3, Due: 3})
	})
}

func TestACallbackThatDispatchesItsOwnDeliveryIsInFlight(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d)
		outcomes := make(chan sonzaihook.Outcome, 9)
		l.hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
			return func(ctx context.Context, d *sonzaihook.Delivery) error {
				inner := *d
				inner.Source = sonzaihook.SourceBroker
				outcomes <- l.hooks.Dispatch(ctx, &inner)
				return next(ctx, d)
			}
		})
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })
		l.learn(t)
		<-outcomes
		l.enqueue(t, 1)
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.Equal(t, sonzaihook.CodeInFlight, (<-outcomes).Code)
		require.Empty(t, outcomes)
	})
}

func TestCommitTxOfADeliveryFromAQueue(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		dsn := d.create(t)
		if d.dialect == sqlhook.SQLite { // its transactions wait for those of the store
			dsn += "&_pragma=busy_timeout(10000)&_txlock=immediate"
		}
		l := newLineOn(t, d, d.connect(t, dsn))
		createEffects(t, l.db)
		l.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
			tx, err := l.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }() // after Commit it does nothing
			if err := insertEffect(ctx, tx, d.dialect, e.ID); err != nil {
				return err
			}
			if err := l.store.CommitTx(ctx, tx); err != nil {
				return err
			}
			return tx.Commit()
		})
		l.learn(t)
		l.enqueue(t, 6)
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.Equal(t, 7, countEffects(t, l.db))
	})
}

// diedOn is what a worker leaves that was killed, of all rows.
func (l *line) diedOn(t testing.TB, d database, attempt string) {
	t.Helper()
	execAll(t, l.db, "UPDATE sonzaihook_queue SET attempt = "+attempt+", token = "+literal(d.dialect, "61"))
}

func TestWhatMayHaveKilledItsWorkerRunsAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithWorkers(8), sqlhook.WithAttempts(5))
		var running, most atomic.Int64
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			now := running.Add(1)
			defer running.Add(-1)
			for {
				seen := most.Load()
				if now <= seen || most.CompareAndSwap(seen, now) {
					break
				}
			}
			time.Sleep(60 * time.Millisecond)
			return nil
		})
		l.enqueue(t, 6)
		l.diedOn(t, d, "2")
		stop := l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.EqualValues(t, 1, most.Load(), "their workers have died twice")
		stop()

		for n := range 6 {
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, 10+n))
		}
		l.diedOn(t, d, "1")
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		require.Greater(t, most.Load(), int64(1), "a worker that dies once is a deployment")
	})
}

func TestWhatMayHaveKilledItsWorkerRunsInItsTurnAlsoBeforeALongBacklog(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		l := newLine(t, d, sqlhook.WithWorkers(2))
		var mu sync.Mutex
		var ran []string
		l.hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
			return func(ctx context.Context, d *sonzaihook.Delivery) error {
				mu.Lock()
				ran = append(ran, d.ID)
				mu.Unlock()
				return next(ctx, d)
			}
		})
		l.hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
			time.Sleep(5 * time.Millisecond)
			return nil
		})
		suspects := l.enqueue(t, 2)
		l.diedOn(t, d, "2")
		for n := range 200 {
			require.Equal(t, http.StatusAccepted, deliver(t, l.front, 10+n))
		}
		l.work(t)
		l.eventually(t, sqlhook.Stats{})
		for _, id := range suspects {
			at := slices.Index(ran, id)
			require.GreaterOrEqual(t, at, 0, "%s in %v", id, ran)
			require.Less(t, at, 150, "%s ran behind what was enqueued later", id)
		}
	})
}
