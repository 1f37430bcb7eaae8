package sqlhook_test

import (
	"context"
	"database/sql"
	"io/fs"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// requireRefused checks that a delivery is answered 503 without a callback, and
// returns why.
func requireRefused(t *testing.T, store sonzaihook.Store) error {
	t.Helper()
	var seen atomic.Pointer[sonzaihook.Outcome]
	hooks := newReceiver(t, store, sonzaihook.WithObserver(func(_ context.Context, out sonzaihook.Outcome) { seen.Store(&out) }))
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		t.Error("a callback ran without a claim")
		return nil
	})
	answer := hooktest.Deliver(t, hooks, moodChange(1))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Contains(t, answer.Body.String(), sonzaihook.CodeStoreUnavailable)
	return seen.Load().Err
}

func TestMissingTablesAreNamedWithTheirRemedy(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		store, err := sqlhook.New(d.open(t), d.dialect)
		require.NoError(t, err)
		err = requireRefused(t, store)
		require.ErrorIs(t, err, sqlhook.ErrSchema)
		require.ErrorContains(t, err, "Migrate")
		require.ErrorIs(t, store.Check(t.Context()), sqlhook.ErrSchema)
		_, err = store.Sweep(t.Context())
		require.ErrorIs(t, err, sqlhook.ErrSchema)
		require.NoError(t, store.Migrate(t.Context()))
		require.NoError(t, store.Check(t.Context()))
	})
}

func TestTablesOfAnotherVersionAreNamedWithTheirRemedy(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		store := newStore(t, db, d.dialect)
		execAll(t, db, "ALTER TABLE sonzaihook_leases RENAME COLUMN expires TO ends", "UPDATE sonzaihook_schema SET version = 0")
		require.ErrorIs(t, requireRefused(t, store), sqlhook.ErrSchema)
		err := store.Check(t.Context())
		require.ErrorIs(t, err, sqlhook.ErrSchema)
		require.ErrorContains(t, err, "have version 0")

		execAll(t, db, "UPDATE sonzaihook_schema SET version = 99")
		err = store.Migrate(t.Context())
		require.ErrorIs(t, err, sqlhook.ErrSchema)
		require.ErrorContains(t, err, "have version 99")
	})
}

func execAll(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		err := sqlclaim.Retry(t.Context(), func() error { // SQLite's writer may be the store
			_, err := db.ExecContext(t.Context(), statement)
			return err
		})
		require.NoError(t, err, statement)
	}
}

func TestAReadOnlyDatabaseIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		dsn := d.create(t)
		newStore(t, d.connect(t, dsn), d.dialect)
		switch d.dialect {
		case sqlhook.Postgres:
			dsn += "&default_transaction_read_only=on"
		case sqlhook.SQLite:
			dsn += "&mode=ro"
		case sqlhook.MySQL:
			dsn += "?transaction_read_only=1"
			if !setsReadOnly(t, d, dsn) {
				dsn = dsn[:len(dsn)-len("?transaction_read_only=1")] + "?tx_read_only=1"
			}
		}
		store, err := sqlhook.New(d.connect(t, dsn), d.dialect)
		require.NoError(t, err)
		err = requireRefused(t, store)
		require.ErrorIs(t, err, sqlhook.ErrReadOnly)
		require.ErrorContains(t, err, "primary")
	})
}

func setsReadOnly(t testing.TB, d database, dsn string) bool {
	return d.connect(t, dsn).PingContext(t.Context()) == nil
}

func TestABusyFileIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	d := database{sqlhook.SQLite, createSQLite}
	dsn := d.create(t)
	store := newStore(t, d.connect(t, dsn), d.dialect)
	other := d.connect(t, dsn+"&_txlock=immediate")
	tx, err := other.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	err = requireRefused(t, store)
	require.ErrorIs(t, err, sqlhook.ErrBusy)
	require.ErrorContains(t, err, "keep transactions short")
	require.NoError(t, tx.Rollback())
	state, err := store.Claim(t.Context(), "k", "a", time.Minute)
	require.NoError(t, err)
	require.Equal(t, sonzaihook.Claimed, state)
}

func TestAnExhaustedPoolIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		store := newStore(t, db, d.dialect)
		db.SetMaxOpenConns(2)
		for range 2 {
			conn, err := db.Conn(t.Context())
			require.NoError(t, err)
			defer conn.Close()
		}
		err := requireRefused(t, store)
		require.ErrorIs(t, err, sqlhook.ErrPoolExhausted)
		require.ErrorContains(t, err, "SetMaxOpenConns")
	})
}

func TestNewRefusesImpossibleOptions(t *testing.T) {
	t.Parallel()
	db := open(t, "sqlite", ":memory:")
	for name, c := range map[string]struct {
		db      *sql.DB
		d       sqlhook.Dialect
		options []sqlhook.Option
	}{
		"no database":                   {nil, sqlhook.SQLite, nil},
		"no dialect":                    {db, 0, nil},
		"an unknown dialect":            {db, 9, nil},
		"a nil option":                  {db, sqlhook.SQLite, []sqlhook.Option{nil}},
		"a negative keep":               {db, sqlhook.SQLite, []sqlhook.Option{sqlhook.WithKeep(-1)}},
		"a nil logger":                  {db, sqlhook.SQLite, []sqlhook.Option{sqlhook.WithLogger(nil)}},
		"a long namespace":              {db, sqlhook.SQLite, []sqlhook.Option{sqlhook.WithNamespace(string(make([]byte, 65)))}},
		"unsynced claims where none is": {db, sqlhook.MySQL, []sqlhook.Option{sqlhook.WithUnsyncedClaims()}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sqlhook.New(c.db, c.d, c.options...)
			require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
		})
	}
}

func TestManyInstancesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		dsn := d.create(t)
		var wg sync.WaitGroup
		for range 5 {
			store, err := sqlhook.New(d.connect(t, dsn), d.dialect)
			require.NoError(t, err)
			wg.Go(func() {
				if err := store.Migrate(t.Context()); err != nil {
					t.Errorf("Migrate: %v", err)
				}
			})
		}
		wg.Wait()
	})
}

func TestTheFilesAndTheSchemaMakeWhatMigrateMakes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		files, err := sqlhook.Migrations(d.dialect)
		require.NoError(t, err)
		names, err := fs.Glob(files, "*.up.sql")
		require.NoError(t, err)
		require.NotEmpty(t, names)
		first, err := fs.ReadFile(files, names[0])
		require.NoError(t, err)
		require.Contains(t, string(first), "-- +goose Up\n")
		store, err := sqlhook.New(d.open(t), d.dialect)
		require.NoError(t, err)
		require.Contains(t, store.Schema(), "CREATE TABLE IF NOT EXISTS sonzaihook_done")
	})
	_, err := sqlhook.Migrations(7)
	require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
}

func TestSweepDeletesWhatHasExpiredAndNothingElse(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		store := newStore(t, db, d.dialect)
		for _, key := range []string{"old", "new", "held", "lapsed"} {
			state, err := store.Claim(t.Context(), key, "a", time.Hour)
			require.NoError(t, err)
			require.Equal(t, sonzaihook.Claimed, state)
		}
		require.NoError(t, store.Commit(t.Context(), "old", "a", time.Hour))
		require.NoError(t, store.Commit(t.Context(), "new", "a", time.Hour))
		execAll(t, db,
			"UPDATE sonzaihook_done SET expires = expires - 3720000000 WHERE id = "+literal(d.dialect, "6f6c64"), // old
			"UPDATE sonzaihook_leases SET expires = expires - 3720000000 WHERE id <> "+literal(d.dialect, "68656c64"))
		n, err := store.Sweep(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 4, n, "three leases and a done key")
		for key, want := range map[string]sonzaihook.State{
			"old": sonzaihook.Claimed, "new": sonzaihook.Done, "held": sonzaihook.InFlight, "lapsed": sonzaihook.Claimed,
		} {
			state, err := store.Claim(t.Context(), key, "b", time.Hour)
			require.NoError(t, err)
			require.Equal(t, want, state, key)
		}
	})
}

// literal writes bytes as a literal.
func literal(d sqlhook.Dialect, hex string) string {
	if d == sqlhook.Postgres {
		return `'\x` + hex + `'`
	}
	return "x'" + hex + "'"
}

func TestCheckFindsUnsafeSettings(t *testing.T) {
	t.Parallel()
	for dialect, c := range map[sqlhook.Dialect]struct {
		create func(testing.TB) string
		unsafe string
	}{
		sqlhook.Postgres: {createPostgres, "&synchronous_commit=off"},
		sqlhook.SQLite:   {createSQLite, "&_pragma=synchronous(NORMAL)"},
		sqlhook.MySQL:    {createMariaDB, "?sql_mode=''"},
	} {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			d := database{dialect, c.create}
			dsn := d.create(t)
			require.NoError(t, newStore(t, d.connect(t, dsn), dialect).Check(t.Context()))
			store, err := sqlhook.New(d.connect(t, dsn+c.unsafe), dialect)
			require.NoError(t, err)
			require.ErrorIs(t, store.Check(t.Context()), sqlhook.ErrUnsafeServer)
		})
	}
}

func TestNamespacesKeepServicesApart(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d database) {
		db := d.open(t)
		for _, namespace := range []string{"", "shop", "shop:", "s"} {
			store := newStore(t, db, d.dialect, sqlhook.WithNamespace(namespace))
			for _, key := range []string{"k", ":k", "hop:k"} {
				state, err := store.Claim(t.Context(), key, namespace, time.Hour)
				require.NoError(t, err)
				require.Equal(t, sonzaihook.Claimed, state)
			}
		}
	})
}
