package sqlhook

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// What can go wrong with the database, and what to do. Other errors are the
// driver's, wrapped.
var (
	// ErrSchema: the tables are missing, or of another version.
	ErrSchema = errors.New("sqlhook: tables are missing or of another version; run (*Store).Migrate, or apply sqlhook.Migrations")
	// ErrReadOnly: the server is a replica, or the file cannot be written.
	ErrReadOnly = errors.New("sqlhook: database takes no writes; connect to the primary (PostgreSQL: target_session_attrs=read-write), or make the file writable")
	// ErrBusy: another transaction is writing to the SQLite file for longer than
	// the call may take.
	ErrBusy = errors.New("sqlhook: another transaction is writing to the file; keep transactions short, or put the tables in a file by themselves")
	// ErrPoolExhausted: all connections that the pool may open are in use.
	ErrPoolExhausted = errors.New("sqlhook: all connections are in use; let SetMaxOpenConns be greater than the number of deliveries that run at once (sonzaihook.WithMaxInFlight)")
	// ErrNoTransaction: there is no transaction of InTx here.
	ErrNoTransaction = errors.New("sqlhook: no transaction; register hooks.Use(store.InTx(nil)) and call Tx with the callback's context, before the callback returns")
	// ErrNoClaim: there is no claim here.
	ErrNoClaim = errors.New("sqlhook: no claim; it takes sonzaihook.WithStore, and the context of middleware or of the last callback")
	// ErrUnsafeServer: the settings of the server let it forget or change what a
	// store writes.
	ErrUnsafeServer = errors.New("sqlhook: unsafe server")
)

// errBadConn makes database/sql close a connection.
var errBadConn = driver.ErrBadConn

var errWriterBusy = fmt.Errorf("%w (it is one of this process)", ErrBusy)

// explain adds what an error means to it, and what was being done.
func (s *Store) explain(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrBusy) {
		return fmt.Errorf("%w: %s", err, what)
	}
	switch sqlclaim.KindOf(err) {
	case sqlclaim.NoTable:
		return fmt.Errorf("%w: %s: %w", ErrSchema, what, err)
	case sqlclaim.ReadOnly:
		return fmt.Errorf("%w: %s: %w", ErrReadOnly, what, err)
	case sqlclaim.Busy:
		return fmt.Errorf("%w: %s: %w", ErrBusy, what, err)
	}
	if ctx.Err() != nil {
		if n := s.db.Stats(); n.MaxOpenConnections > 0 && n.InUse >= n.MaxOpenConnections {
			return fmt.Errorf("%w: %s: %d of %d: %w", ErrPoolExhausted, what, n.InUse, n.MaxOpenConnections, err)
		}
	}
	return fmt.Errorf("sqlhook: %s: %w", what, err)
}
