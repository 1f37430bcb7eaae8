package pgxhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// What can go wrong with the database, and what to do. Other errors are pgx's,
// wrapped.
var (
	// ErrSchema: the tables are missing, or of another version.
	ErrSchema = errors.New("pgxhook: tables are missing or of another version; run (*Store).Migrate, or apply pgxhook.Migrations")
	// ErrReadOnly: the server is a replica.
	ErrReadOnly = errors.New("pgxhook: database takes no writes; connect to the primary (target_session_attrs=read-write)")
	// ErrPoolExhausted: all connections that the pool may open are in use.
	ErrPoolExhausted = errors.New("pgxhook: all connections are in use; let the pool's MaxConns be greater than the number of deliveries that run at once (sonzaihook.WithMaxInFlight)")
	// ErrNoTransaction: there is no transaction of InTx here.
	ErrNoTransaction = errors.New("pgxhook: no transaction; register hooks.Use(store.InTx(pgx.TxOptions{})) and call Tx with the callback's context, before the callback returns")
	// ErrNotYours: the callback tried to commit the transaction of InTx.
	ErrNotYours = errors.New("pgxhook: the transaction is InTx's to commit; return nil to commit and an error to roll back")
	// ErrNoClaim: there is no claim here.
	ErrNoClaim = errors.New("pgxhook: no claim; it takes sonzaihook.WithStore, and the context of middleware or of the last callback")
	// ErrUnsafeServer: the settings of the server let it forget what a store writes.
	ErrUnsafeServer = errors.New("pgxhook: unsafe server")
)

// call makes a call of the store's, again if need be, until its context ends.
func (s *Store) call(ctx context.Context, what string, call func(context.Context) error) error {
	ctx, cancel := sqlclaim.Early(ctx)
	defer cancel()
	return s.explain(ctx, what, sqlclaim.Retry(ctx, func() error { return call(ctx) }))
}

// explain adds what an error means to it, and what was being done.
func (s *Store) explain(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	switch sqlclaim.KindOf(err) {
	case sqlclaim.NoTable:
		return fmt.Errorf("%w: %s: %w", ErrSchema, what, err)
	case sqlclaim.ReadOnly:
		return fmt.Errorf("%w: %s: %w", ErrReadOnly, what, err)
	}
	if ctx.Err() != nil {
		if n := s.pool.Stat(); n.AcquiredConns() >= n.MaxConns() {
			return fmt.Errorf("%w: %s: %d of %d: %w", ErrPoolExhausted, what, n.AcquiredConns(), n.MaxConns(), err)
		}
	}
	return fmt.Errorf("pgxhook: %s: %w", what, err)
}
