package sqlhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// InTx returns middleware in whose transaction callbacks write:
//
//	hooks.Use(store.InTx(nil))
//
// It must be the outermost, and the receiver's store must be s; telemetry may stand
// outside of it and return next's error unchanged. The transaction begins when a
// callback first calls [Tx], with the callback's context: when that ends, because
// the lease is lost or the time is over, it is rolled back at once. "Done" is
// written as its last statement. Where no callback calls Tx there is none, and the
// receiver commits by itself.
//
// It commits where the receiver would: after nil, sonzaihook.Ignore and
// sonzaihook.Queued. After any other error and after a panic it rolls back. A COMMIT
// that fails is an error, which is answered 500: whether it took place or not, the
// platform's retry finds out. ErrLeaseLost means that another has done the delivery
// or holds it, and that nothing was written.
//
// opts are those of sql.DB.BeginTx, and may be nil. Any isolation level works; under a
// strict one the database may refuse to commit, which is answered 500.
func (s *Store) InTx(opts *sql.TxOptions) func(sonzaihook.Handler) sonzaihook.Handler {
	return func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			claim, ok := sonzaihook.ClaimFrom(ctx)
			if !ok {
				return fmt.Errorf("%w: InTx", ErrNoClaim)
			}
			r := &run{store: s, opts: opts, claim: claim, ctx: ctx}
			defer r.end()
			err := next(context.WithValue(ctx, runKey{}, r), d)
			if !sonzaihook.Settles(err) {
				return err
			}
			if failed := r.commit(); failed != nil {
				return failed
			}
			return err
		}
	}
}

// Tx returns the transaction of [Store.InTx], which it begins at the first call. ctx
// is the callback's. It returns an error that wraps [ErrNoTransaction] outside of
// InTx and after the callback has returned, and whatever BEGIN failed with. The
// transaction is for the goroutine of the callback; InTx commits it or rolls it
// back, the callback must do neither.
func Tx(ctx context.Context) (*sql.Tx, error) {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return nil, ErrNoTransaction
	}
	return r.begin()
}

// CommitTx writes "done" in a transaction of the caller's, whose COMMIT then
// decides. It is for callbacks that own their transaction, as with sqlx, bun, ent
// and gorm:
//
//	err := store.CommitTx(ctx, tx) // the last statement before COMMIT
//
// ctx is that of middleware or of the last of several callbacks; elsewhere the
// error wraps [ErrNoClaim]. An error that wraps sonzaihook.ErrLeaseLost means that
// another has done the delivery or holds it: roll back, and return the error. If
// the callback fails after COMMIT, the delivery is answered 500 and a retry is
// answered as a duplicate.
//
// On SQLite an open transaction keeps the receiver from renewing its lease; there
// use [Store.InTx], which knows its transaction, or be quick.
func (s *Store) CommitTx(ctx context.Context, tx Execer) error {
	claim, ok := sonzaihook.ClaimFrom(ctx)
	if !ok {
		return fmt.Errorf("%w: CommitTx", ErrNoClaim)
	}
	_, err := s.mark(ctx, tx, claim)
	return err
}

// mark writes "done", or fails because another holder did, or holds the key. A
// delivery of a queue in the same database leaves it in the same transaction, which
// left reports.
func (s *Store) mark(ctx context.Context, tx Execer, claim sonzaihook.Claim) (left *taken, err error) {
	t := takenFrom(ctx, s)
	p := s.params(claim.Key, t.tokenOf(claim.Key, claim.Token), s.keepFor(claim.Keep))
	if t == nil || !t.ride() {
		changed, err := exec(ctx, tx, s.statements.Mark, p)
		return nil, s.marked(ctx, changed, err)
	}
	if s.dialect == Postgres { // in one round trip
		changed, err := t.queue.exec(ctx, tx, leaveText+sqlclaim.PostgresMark, t, values{"key": p.Key, "token": p.Token, "span": p.Span})
		return t, s.marked(ctx, changed, err)
	}
	if _, err := t.queue.exec(ctx, tx, deleteText, t, nil); err != nil {
		return nil, s.explain(ctx, "leave queue", err)
	}
	changed, err := exec(ctx, tx, s.statements.Mark, p)
	return t, s.marked(ctx, changed, err)
}

// marked says what it means that a statement wrote "done" so many times.
func (s *Store) marked(ctx context.Context, changed int64, err error) error {
	switch {
	case sqlclaim.KindOf(err) == sqlclaim.Duplicate:
		return fmt.Errorf("sqlhook: done: %w: %w", sonzaihook.ErrLeaseLost, err)
	case err != nil:
		return s.explain(ctx, "done", err)
	case changed == 0:
		return fmt.Errorf("sqlhook: done: %w", sonzaihook.ErrLeaseLost)
	}
	return nil
}

type runKey struct{}

// run is one run of callbacks under InTx, and its transaction once there is one.
// The mutex guards the fields below it.
type run struct {
	store *Store
	opts  *sql.TxOptions
	claim sonzaihook.Claim
	ctx   context.Context // the callback's, which ends with the lease and the deadline

	mu   sync.Mutex
	tx   *sql.Tx
	err  error // why it did not begin
	over bool  // the callbacks have returned
	// SQLite: what lets others write again, and whether COMMIT leaves the disk to
	// a flush that others share.
	free      func()
	unflushed bool
}

func (s *Store) beginTx(r *run) (*sql.Tx, error) {
	if s.writer != nil {
		return s.beginSQLite(r)
	}
	return s.db.BeginTx(r.ctx, r.opts)
}

func (r *run) begin() (*sql.Tx, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return nil, fmt.Errorf("%w: the callback has returned", ErrNoTransaction)
	case r.tx != nil || r.err != nil:
		return r.tx, r.err
	}
	r.tx, r.err = r.store.beginTx(r)
	if r.err != nil {
		r.err = r.store.explain(r.ctx, "begin", r.err)
	}
	return r.tx, r.err
}

// commit writes "done" and commits, if a transaction was begun.
func (r *run) commit() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.tx == nil {
		return r.err // a callback that could not begin must not pass for one that did
	}
	t, err := r.store.mark(r.ctx, r.tx, r.claim)
	if err != nil {
		return r.cause(err)
	}
	if err := r.tx.Commit(); err != nil {
		return r.cause(r.store.explain(r.ctx, "commit", err))
	}
	if r.unflushed {
		r.free()
		r.free = nil
		if err := r.store.flush(r.ctx); err != nil {
			return r.cause(r.store.explain(r.ctx, "flush", err))
		}
	}
	r.store.notes.Add(r.claim.Key, r.claim.Token)
	if t != nil {
		t.left.Store(true)
	}
	return nil
}

// cause names why the context ended, if it did, and what it means that the
// transaction is over already.
func (r *run) cause(err error) error {
	if r.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", err, context.Cause(r.ctx))
	}
	if errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("%w: the callback ended the transaction of InTx; return nil to commit and an error to roll back", err)
	}
	return err
}

// end rolls back what was not committed, also after a panic.
func (r *run) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.tx != nil {
		_ = r.tx.Rollback() // after Commit it does nothing
	}
	if r.free != nil {
		r.free()
		r.free = nil
	}
}
