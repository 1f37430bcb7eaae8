package sqlhook

import (
	"bytes"
	"context"
	"database/sql"

	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// querier is a database, a connection or a transaction.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

var (
	_ querier = (*sql.DB)(nil)
	_ querier = (*sql.Tx)(nil)
)

// Execer is what runs a statement in a transaction of the caller's: a *sql.Tx, or
// what sqlx, bun, ent and gorm call theirs.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// exec returns how many rows a statement changed.
func exec(ctx context.Context, on Execer, statement sqlclaim.Statement, p sqlclaim.Params) (int64, error) {
	result, err := on.ExecContext(ctx, statement.Text, statement.Args(p)...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// keyState is what the tables say of a key.
type keyState struct {
	done    bool   // and its time is not over
	wasDone bool   // and its time is over
	by      []byte // whose token made it done
	lease   []byte // whose token has the lease, ended or not; nil: none
}

func (k keyState) heldBy(token []byte) bool { return k.lease != nil && bytes.Equal(k.lease, token) }
func (k keyState) doneBy(token []byte) bool { return bytes.Equal(k.by, token) }

func (s *Store) state(ctx context.Context, on querier, p sqlclaim.Params) (keyState, error) {
	var k keyState
	var done sql.NullInt64
	row := on.QueryRowContext(ctx, s.statements.State.Text, s.statements.State.Args(p)...)
	if err := row.Scan(&done, &k.by, &k.lease); err != nil {
		return k, err
	}
	k.done, k.wasDone = done.Valid && done.Int64 == 1, done.Valid && done.Int64 == 0
	return k, nil
}

// write makes a call of the store's, again if need be, until its context ends. On
// SQLite calls share a transaction: then another goroutine may make the call, and
// may still be at it when write returns an error. What the call sets must not be
// read after an error that is not the call's.
func (s *Store) write(ctx context.Context, what string, call func(context.Context, querier) error) error {
	ctx, cancel := sqlclaim.Early(ctx)
	defer cancel()
	if s.writes != nil {
		c := &change{ctx: ctx, call: call}
		err := s.writes.do(ctx, c)
		if err == nil {
			err = c.err
		}
		if err == nil {
			err = ctx.Err() // it may have been passed over
		}
		return s.explain(ctx, what, err)
	}
	return s.explain(ctx, what, sqlclaim.Retry(ctx, func() error { return call(ctx, s.db) }))
}
