package sqlhook_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

func TestInTxPassesTheSuite(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		hooktest.RunInTx(t, func(t testing.TB) hooktest.TxDatabase {
			dsn := d.create(t)
			db := d.connect(t, dsn)
			newStore(t, db, d.dialect)
			createEffects(t, db)
			return hooktest.TxDatabase{
				Start: func(t testing.TB) hooktest.TxInstance { return startInstance(t, d, dsn) },
				Count: func(t testing.TB, name string) int { return countEffectsOf(t, db, d.dialect, name) },
			}
		})
	})
}

func startInstance(t testing.TB, d database, dsn string) hooktest.TxInstance {
	db, fault := openFaulty(t, d.dialect, dsn)
	store := newStore(t, db, d.dialect)
	levels := map[string]func(sonzaihook.Handler) sonzaihook.Handler{}
	for _, level := range []sql.IsolationLevel{sql.LevelDefault, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable} {
		if d.dialect != sqlhook.SQLite || level == sql.LevelDefault || level == sql.LevelSerializable {
			levels[level.String()] = store.InTx(&sql.TxOptions{Isolation: level})
		}
	}
	return hooktest.TxInstance{
		Store: store, InTx: store.InTx(nil), Levels: levels,
		Insert: func(ctx context.Context, name string) error {
			tx, err := sqlhook.Tx(ctx)
			if err != nil {
				return err
			}
			return insertEffect(ctx, tx, d.dialect, name)
		},
		CommitTx: func(ctx context.Context, name string) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if err := errors.Join(insertEffect(ctx, tx, d.dialect, name), store.CommitTx(ctx, tx)); err != nil {
				return err
			}
			return tx.Commit()
		},
		OnCommit: func(fn func(commit func() error) error) { fault.onCommit.Store(&fn) },
	}
}

func countEffectsOf(t testing.TB, db *sql.DB, d sqlhook.Dialect, name string) int {
	t.Helper()
	query := "SELECT count(*) FROM effects WHERE delivery = ?"
	if d == sqlhook.Postgres {
		query = "SELECT count(*) FROM effects WHERE delivery = $1"
	}
	var n int
	require.NoError(t, db.QueryRowContext(context.WithoutCancel(t.Context()), query, name).Scan(&n))
	return n
}
