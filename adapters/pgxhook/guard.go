package pgxhook

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rollbackTimeout bounds a rollback, for which the callback's context is no use: it
// has ended. A connection whose rollback fails is closed, which rolls back as well.
const rollbackTimeout = 2 * time.Second

// guard keeps a transaction's connection to one user at a time: the callback, or
// the rollback when its context ends. A connection of pgx bears no two. Every call
// runs under the end of the callback's context too, whatever context it is given,
// so that the rollback never waits for long.
type guard struct {
	ctx context.Context // the callback's

	mu   sync.Mutex // held while a call is under way
	tx   pgx.Tx
	open int  // results that are not read to their end
	over bool // committed, rolled back or given up
}

// enter waits for its turn and returns the context of a call, or why there can be
// none.
func (g *guard) enter(ctx context.Context) (context.Context, context.CancelFunc, error) {
	g.mu.Lock()
	if g.ctx.Err() != nil || g.over {
		g.mu.Unlock()
		if g.ctx.Err() != nil {
			return nil, nil, context.Cause(g.ctx)
		}
		return nil, nil, pgx.ErrTxClosed
	}
	inner, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(g.ctx, func() { cancel(context.Cause(g.ctx)) })
	return inner, func() {
		stop()
		cancel(context.Canceled)
	}, nil
}

// kept ends a call whose results are still to be read, and returns what to do when
// they are.
func (g *guard) kept(cancel context.CancelFunc) (done func()) {
	g.open++
	g.mu.Unlock()
	return sync.OnceFunc(func() {
		cancel()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.open--
	})
}

// abort rolls back because the callback's context has ended. Where results are
// still being read, their context has ended as well, and pgx closes the connection.
func (g *guard) abort() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == 0 {
		g.rollback()
	}
}

// finish rolls back what is not over when the callback has returned.
func (g *guard) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rollback()
}

func (g *guard) rollback() {
	if g.over {
		return
	}
	g.over = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), rollbackTimeout)
	defer cancel()
	_ = g.tx.Rollback(ctx) // it closes a connection on which it fails
}

func (g *guard) commit(ctx context.Context) error {
	ctx, cancel, err := g.enter(ctx)
	if err != nil {
		return err
	}
	defer g.mu.Unlock()
	defer cancel()
	g.over = true
	return g.tx.Commit(ctx)
}

// guardedTx is a transaction of InTx, or a savepoint in it. LargeObjects and Conn
// are not guarded.
type guardedTx struct {
	pgx.Tx
	guard     *guard
	outermost bool
}

var _ pgx.Tx = (*guardedTx)(nil)

// Begin makes a savepoint.
func (t *guardedTx) Begin(ctx context.Context) (pgx.Tx, error) {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer t.guard.mu.Unlock()
	defer cancel()
	inner, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &guardedTx{Tx: inner, guard: t.guard}, nil
}

// Commit releases a savepoint; of the transaction itself it is refused.
func (t *guardedTx) Commit(ctx context.Context) error {
	if t.outermost {
		return ErrNotYours
	}
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return err
	}
	defer t.guard.mu.Unlock()
	defer cancel()
	return t.Tx.Commit(ctx)
}

// Rollback rolls back.
func (t *guardedTx) Rollback(ctx context.Context) error {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return err
	}
	defer t.guard.mu.Unlock()
	defer cancel()
	t.guard.over = t.outermost
	return t.Tx.Rollback(ctx)
}

// CopyFrom is guarded.
func (t *guardedTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer t.guard.mu.Unlock()
	defer cancel()
	return t.Tx.CopyFrom(ctx, table, columns, rows)
}

// Prepare is guarded.
func (t *guardedTx) Prepare(ctx context.Context, name, query string) (*pgconn.StatementDescription, error) {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer t.guard.mu.Unlock()
	defer cancel()
	return t.Tx.Prepare(ctx, name, query)
}

// Exec is guarded.
func (t *guardedTx) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer t.guard.mu.Unlock()
	defer cancel()
	return t.Tx.Exec(ctx, query, args...)
}
