package sqlhook_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// effects is a table of the user's, into which callbacks write.
func createEffects(t testing.TB, db *sql.DB) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), "CREATE TABLE effects (delivery VARCHAR(200) NOT NULL)")
	require.NoError(t, err)
}

func insertEffect(ctx context.Context, on sqlhook.Execer, d sqlhook.Dialect, id string) error {
	query := "INSERT INTO effects (delivery) VALUES (?)"
	if d == sqlhook.Postgres {
		query = "INSERT INTO effects (delivery) VALUES ($1)"
	}
	_, err := on.ExecContext(ctx, query, id)
	return err
}

func countEffects(t testing.TB, db *sql.DB) int {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRowContext(context.WithoutCancel(t.Context()), "SELECT count(*) FROM effects").Scan(&n))
	return n
}

// world is a database with a store and a receiver in which callbacks write one row.
type world struct {
	db    *sql.DB
	store *sqlhook.Store
	hooks *sonzaihook.Receiver
	d     sqlhook.Dialect
	// after is what the callback does once it has written.
	after atomic.Pointer[func(ctx context.Context, tx *sql.Tx) error]
	runs  atomic.Int64
}

func newWorld(t testing.TB, d database, opts *sql.TxOptions, options ...sonzaihook.Option) *world {
	t.Helper()
	w := &world{db: d.open(t), d: d.dialect}
	w.store = newStore(t, w.db, d.dialect)
	createEffects(t, w.db)
	w.hooks = newReceiver(t, w.store, options...)
	w.hooks.Use(w.store.InTx(opts))
	w.hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		w.runs.Add(1)
		tx, err := sqlhook.Tx(ctx)
		if err != nil {
			return err
		}
		if err := insertEffect(ctx, tx, w.d, e.ID); err != nil {
			return err
		}
		if after := w.after.Load(); after != nil {
			return (*after)(ctx, tx)
		}
		return nil
	})
	return w
}

func (w *world) then(after func(ctx context.Context, tx *sql.Tx) error) { w.after.Store(&after) }

func TestWhatACallbackWritesAndDoneAreOneTransaction(t *testing.T) {
	t.Parallel()
	verdicts := map[string]struct {
		err    error
		status int
		rows   int
	}{
		"nil":         {nil, 200, 1},
		"ignore":      {sonzaihook.Ignore("of no interest"), 200, 1},
		"queued":      {sonzaihook.Queued(), 202, 1},
		"an error":    {errors.New("no"), 500, 0},
		"permanent":   {sonzaihook.Permanent(errors.New("no")), 422, 0},
		"retry after": {sonzaihook.RetryAfter(errors.New("no"), time.Second), 503, 0},
	}
	onEach(t, func(t *testing.T, d database) {
		for name, verdict := range verdicts {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, d, nil)
				w.then(func(context.Context, *sql.Tx) error { return verdict.err })
				require.Equal(t, verdict.status, deliver(t, w.hooks, 1))
				require.Equal(t, verdict.rows, countEffects(t, w.db))

				w.then(func(context.Context, *sql.Tx) error { return nil })
				require.Equal(t, http.StatusOK, deliver(t, w.hooks, 1))
				require.Equal(t, 1, countEffects(t, w.db), "the retry or the copy left one row")
				require.EqualValues(t, 2-verdict.rows, w.runs.Load())
			})
		}
	})
}

func TestEveryIsolationLevelWritesOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
			if d.dialect == sqlhook.SQLite && level != sql.LevelDefault && level != sql.LevelSerializable {
				continue // it has one level
			}
			t.Run(level.String(), func(t *testing.T) {
				t.Parallel()
				// A lease that is renewed while the transaction is open.
				w := newWorld(t, d, &sql.TxOptions{Isolation: level}, sonzaihook.WithLease(time.Second))
				w.then(func(ctx context.Context, _ *sql.Tx) error { return pauseFor(ctx, 2*time.Second) })
				require.Equal(t, http.StatusOK, deliver(t, w.hooks, 1))
				require.Equal(t, http.StatusOK, deliver(t, w.hooks, 1))
				require.Equal(t, 1, countEffects(t, w.db))
				require.EqualValues(t, 1, w.runs.Load())
			})
		}
	})
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func TestTxOutsideOfInTxIsAnError(t *testing.T) {
	t.Parallel()
	_, err := sqlhook.Tx(t.Context())
	require.ErrorIs(t, err, sqlhook.ErrNoTransaction)
	require.ErrorContains(t, err, "hooks.Use(store.InTx(nil))")

	onEach(t, func(t *testing.T, d database) {
		w := newWorld(t, d, nil)
		var leaked context.Context
		w.then(func(ctx context.Context, _ *sql.Tx) error {
			leaked = ctx
			return nil
		})
		require.Equal(t, http.StatusOK, deliver(t, w.hooks, 1))
		_, err := sqlhook.Tx(leaked)
		require.ErrorIs(t, err, sqlhook.ErrNoTransaction)
		require.ErrorContains(t, err, "has returned")
	})
}

func TestInTxAndCommitTxWithoutAClaimAreErrors(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		w := newWorld(t, d, nil, sonzaihook.WithStore(nil))
		require.Equal(t, http.StatusInternalServerError, deliver(t, w.hooks, 1))
		require.Zero(t, w.runs.Load())
		require.ErrorIs(t, w.store.CommitTx(t.Context(), w.db), sqlhook.ErrNoClaim)
	})
}

func TestACallbackThatEndsTheTransactionIsToldSo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		var seen atomic.Pointer[error]
		w := newWorld(t, d, nil, sonzaihook.WithObserver(func(_ context.Context, out sonzaihook.Outcome) { seen.Store(&out.Err) }))
		w.then(func(_ context.Context, tx *sql.Tx) error { return tx.Rollback() })
		require.Equal(t, http.StatusInternalServerError, deliver(t, w.hooks, 1))
		require.ErrorIs(t, *seen.Load(), sql.ErrTxDone)
		require.ErrorContains(t, *seen.Load(), "the callback ended the transaction")
		require.Zero(t, countEffects(t, w.db))
	})
}

func TestCommitTxWritesDoneInTheCallersTransaction(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		createEffects(t, db)
		store := newStore(t, db, d.dialect)
		hooks := newReceiver(t, store)
		hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if err := errors.Join(insertEffect(ctx, tx, d.dialect, e.ID), store.CommitTx(ctx, tx)); err != nil {
				return err
			}
			if err := tx.Commit(); err != nil {
				return err
			}
			return errors.New("an error after the commit")
		})
		require.Equal(t, http.StatusInternalServerError, deliver(t, hooks, 1))
		answer := hooktest.Deliver(t, hooks, moodChange(1))
		require.Equal(t, http.StatusOK, answer.Code)
		require.Contains(t, answer.Body.String(), sonzaihook.CodeDuplicate)
		require.Equal(t, 1, countEffects(t, db))
	})
}
