package sqlhook_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/mariadbserver"
	"github.com/sonzaihook/sonzaihook/internal/postgresserver"
)

// database opens empty databases of one kind.
type database struct {
	dialect sqlhook.Dialect
	create  func(testing.TB) (dsn string)
}

// open opens a new database.
func (d database) open(t testing.TB) *sql.DB {
	t.Helper()
	return d.connect(t, d.create(t))
}

// connect opens a pool on a database that exists.
func (d database) connect(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	return open(t, map[sqlhook.Dialect]string{sqlhook.Postgres: "pgx", sqlhook.SQLite: "sqlite", sqlhook.MySQL: "mysql"}[d.dialect], dsn)
}

var (
	postgresServer *postgresserver.Server
	mariadbServer  *mariadbserver.Server
	opened         atomic.Int64
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "3"); err != nil { // most tests wait for a lease to end
		panic(err)
	}
	os.Exit(withServers(m))
}

func withServers(m *testing.M) int {
	var err error
	if postgresServer, err = postgresserver.Start(context.Background(), "max_connections=300"); err == nil {
		defer func() { postgresServer.Stop() }()
	} else if !errors.Is(err, postgresserver.ErrNotInstalled) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if mariadbServer, err = mariadbserver.Start(context.Background(), "--max-connections=500"); err == nil {
		defer func() { mariadbServer.Stop() }()
	} else if !errors.Is(err, mariadbserver.ErrNotInstalled) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = mysql.SetLogger(&mysql.NopLogger{}) // it logs every connection that a test breaks
	return m.Run()
}

func createPostgres(t testing.TB) string {
	t.Helper()
	if postgresServer == nil {
		t.Skip(postgresserver.ErrNotInstalled)
	}
	name := fmt.Sprintf("test_%d", opened.Add(1))
	admin := open(t, "pgx", postgresServer.DSN("postgres"))
	_, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+name) // a database would cost a second
	require.NoError(t, err)
	return postgresServer.DSN("postgres") + "&search_path=" + name
}

func createMariaDB(t testing.TB) string {
	t.Helper()
	if mariadbServer == nil {
		t.Skip(mariadbserver.ErrNotInstalled)
	}
	name := fmt.Sprintf("test_%d", opened.Add(1))
	admin := open(t, "mysql", mariadbServer.DSN("mysql"))
	_, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	return mariadbServer.DSN(name)
}

const sqliteSettings = "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"

func createSQLite(t testing.TB) string {
	t.Helper()
	return "file:" + filepath.Join(t.TempDir(), "hooks.db") + sqliteSettings
}

func open(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// onEach runs a test on each database.
func onEach(t *testing.T, test func(t *testing.T, d database)) {
	t.Helper()
	for _, d := range []database{
		{sqlhook.Postgres, createPostgres}, {sqlhook.SQLite, createSQLite}, {sqlhook.MySQL, createMariaDB},
	} {
		t.Run(d.dialect.String(), func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

func newStore(t testing.TB, db *sql.DB, d sqlhook.Dialect, options ...sqlhook.Option) *sqlhook.Store {
	t.Helper()
	store, err := sqlhook.New(db, d, append([]sqlhook.Option{sqlhook.WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	return store
}

func newReceiver(t testing.TB, store sonzaihook.Store, options ...sonzaihook.Option) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), append([]sonzaihook.Option{
		sonzaihook.WithStore(store), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)),
	}, options...)...)
	require.NoError(t, err)
	return hooks
}

func deliver(t testing.TB, hooks http.Handler, n int) int {
	t.Helper()
	return hooktest.Deliver(t, hooks, moodChange(n)).Code
}

func moodChange(n int) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":"evt_%d","agent_id":"a","data":{"label":"calm"}}`, n)
}
