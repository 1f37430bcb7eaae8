package sqlhook_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// faultyConnector opens connections of which the next COMMIT can be replaced. What the driver
// can do besides, it can still do.
type faultyConnector struct {
	driver.Connector
	onCommit atomic.Pointer[func(commit func() error) error]
}

func (c *faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: conn, c: c}, nil
}

type faultyConn struct {
	driver.Conn
	c *faultyConnector
}

func (f *faultyConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := f.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return faultyTx{tx, f.c}, nil
}

func (f *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return f.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (f *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return f.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (f *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return f.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}

func (f *faultyConn) Ping(ctx context.Context) error { return f.Conn.(driver.Pinger).Ping(ctx) }

func (f *faultyConn) ResetSession(ctx context.Context) error {
	if r, ok := f.Conn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (f *faultyConn) IsValid() bool {
	if v, ok := f.Conn.(driver.Validator); ok {
		return v.IsValid()
	}
	return true
}

func (f *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if c, ok := f.Conn.(driver.NamedValueChecker); ok {
		return c.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type faultyTx struct {
	driver.Tx
	c *faultyConnector
}

// Commit leaves no transaction behind where it is replaced by nothing.
func (f faultyTx) Commit() error {
	fn := f.c.onCommit.Swap(nil)
	if fn == nil {
		return f.Tx.Commit()
	}
	committed := false
	err := (*fn)(func() error {
		committed = true
		return f.Tx.Commit()
	})
	if !committed {
		_ = f.Rollback()
	}
	return err
}

type sqliteConnector struct{ dsn string }

func (s sqliteConnector) Connect(context.Context) (driver.Conn, error) {
	return (&sqlite.Driver{}).Open(s.dsn)
}
func (s sqliteConnector) Driver() driver.Driver { return &sqlite.Driver{} }

// openFaulty opens another pool on a database.
func openFaulty(t testing.TB, d sqlhook.Dialect, dsn string) (*sql.DB, *faultyConnector) {
	t.Helper()
	c := &faultyConnector{}
	var err error
	switch d {
	case sqlhook.Postgres:
		config, err := pgx.ParseConfig(dsn)
		require.NoError(t, err)
		c.Connector = stdlib.GetConnector(*config)
	case sqlhook.MySQL:
		c.Connector, err = mysql.MySQLDriver{}.OpenConnector(dsn)
	default:
		c.Connector = sqliteConnector{dsn}
	}
	require.NoError(t, err)
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { _ = db.Close() })
	return db, c
}
