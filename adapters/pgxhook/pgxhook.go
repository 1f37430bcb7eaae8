// Package pgxhook keeps what a receiver knows of its deliveries in the user's own
// PostgreSQL, through pgx. What a callback writes in the transaction of
// [Store.InTx] happens exactly once, because "done" is written in the same
// transaction.
//
//	store, err := pgxhook.New(pool)
//	…
//	hooks, err := sonzaihook.New(secrets, sonzaihook.WithStore(store))
//	…
//	hooks.Use(store.InTx(pgx.TxOptions{}))
//	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
//		tx, err := pgxhook.Tx(ctx)
//		if err != nil {
//			return err
//		}
//		_, err = tx.Exec(ctx, "INSERT INTO moods (agent, label) VALUES ($1, $2)", e.AgentID, e.Data.Label)
//		return err
//	})
//
// The tables are those of package sqlhook on PostgreSQL, and programs that use either
// package may share them. [Store.Migrate] makes them, [Migrations] has them as files,
// and [Store.Sweep] deletes what has expired.
//
// A run that has called [Tx] holds one connection, and a claim or a renewal needs
// another one for a moment: let the pool's MaxConns be greater than the number of
// deliveries that run at once (sonzaihook.WithMaxInFlight), or renewals starve and
// leases are lost. The pool's default is the greater of 4 and the number of CPUs.
package pgxhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// Store is a sonzaihook.Store on PostgreSQL. It is safe for concurrent use by any
// number of goroutines, processes and machines. It starts no goroutine. Make one
// with [New].
type Store struct {
	pool       *pgxpool.Pool
	statements sqlclaim.Statements
	namespace  []byte
	keep       time.Duration // 0: what the receiver asks for
	logger     *slog.Logger
	notes      sqlclaim.Notes
}

var _ sonzaihook.Store = (*Store)(nil)

// New returns a store that uses the pool, which stays the caller's to close. It does
// not connect. It returns an error that wraps sonzaihook.ErrInvalidOption if the
// pool is nil or an option has an impossible value.
func New(pool *pgxpool.Pool, options ...Option) (*Store, error) {
	s := &Store{pool: pool, statements: sqlclaim.Postgres, logger: slog.Default(), namespace: []byte{}}
	if pool == nil {
		return nil, fmt.Errorf("pgxhook: %w: the pool is nil", sonzaihook.ErrInvalidOption)
	}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("pgxhook: %w: an option is nil", sonzaihook.ErrInvalidOption)
		}
		option(s)
	}
	return s, s.check()
}

// Claim implements sonzaihook.Store, in one round trip where the key is unknown.
func (s *Store) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if s.notes.Has(key, token) {
		return sonzaihook.Done, nil
	}
	var state sonzaihook.State
	p := s.params(key, token, lease)
	err := s.call(ctx, "claim", func(ctx context.Context) error {
		var err error
		state, err = s.claim(ctx, p)
		return err
	})
	return state, err
}

// claimTries bounds how often a claim starts again because the key changed between
// two looks.
const claimTries = 10

func (s *Store) claim(ctx context.Context, p sqlclaim.Params) (sonzaihook.State, error) {
	for range claimTries {
		var taken int
		err := s.pool.QueryRow(ctx, s.statements.Claim.Text, s.statements.Claim.Args(p)...).Scan(&taken)
		took := err == nil
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return 0, err
		}
		// Where another had the lease before, that one may have committed while the
		// statement was under way.
		if took && taken == 0 {
			return sonzaihook.Claimed, nil
		}
		now, err := s.state(ctx, p)
		switch {
		case err != nil:
			return 0, err
		case now.done:
			return sonzaihook.Done, nil
		case now.wasDone:
			for _, forget := range []sqlclaim.Statement{s.statements.ForgetLease, s.statements.Forget} {
				if _, err := exec(ctx, s.pool, forget, p); err != nil {
					return 0, err
				}
			}
		case took:
			return sonzaihook.Claimed, nil
		case now.held && !now.mine:
			return sonzaihook.InFlight, nil
		}
	}
	return sonzaihook.InFlight, nil
}

// Commit implements sonzaihook.Store, in one round trip; after [Store.InTx], which
// has written "done" already, in none. A holder that lost the key and finds it done
// by another is told nil, because the key is done; where it matters who made it so,
// in a transaction, [Store.CommitTx] tells it ErrLeaseLost.
func (s *Store) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	if s.notes.Take(key, token) {
		return nil
	}
	p := s.params(key, token, s.keepFor(keep))
	return s.call(ctx, "commit", func(ctx context.Context) error {
		changed, err := exec(ctx, s.pool, s.statements.Commit, p)
		if err != nil || changed > 0 {
			return err
		}
		now, err := s.state(ctx, p)
		if err == nil && !now.done && !now.wasDone {
			err = sonzaihook.ErrLeaseLost
		}
		return err
	})
}

// Release implements sonzaihook.Store, in one round trip.
func (s *Store) Release(ctx context.Context, key, token string) error {
	if s.notes.Take(key, token) {
		return s.committed(ctx, key)
	}
	p := s.params(key, token, 0)
	var byMe bool
	err := s.call(ctx, "release", func(ctx context.Context) error {
		byMe = false
		changed, err := exec(ctx, s.pool, s.statements.Release, p)
		if err != nil || changed > 0 {
			return err
		}
		now, err := s.state(ctx, p)
		if err == nil && (now.done || now.held && !now.mine) {
			byMe, err = now.done && now.byMe, sonzaihook.ErrLeaseLost
		}
		return err
	})
	if byMe {
		return s.committed(ctx, key)
	}
	return err
}

// committed tells of a callback that failed after its transaction was committed.
func (s *Store) committed(ctx context.Context, key string) error {
	s.logger.WarnContext(ctx, "pgxhook: callback failed after its transaction was committed; it is done and will not run again", "delivery", key)
	return fmt.Errorf("pgxhook: release: %w: committed, will not run again", sonzaihook.ErrLeaseLost)
}

// keyState is what the tables say of a key.
type keyState struct {
	done, wasDone bool // its time as done lasts, or is over
	byMe          bool // this token made it done
	held, mine    bool // there is a lease, ended or not; of this token
}

func (s *Store) state(ctx context.Context, p sqlclaim.Params) (keyState, error) {
	var done *int
	var by, lease []byte
	err := s.pool.QueryRow(ctx, s.statements.State.Text, s.statements.State.Args(p)...).Scan(&done, &by, &lease)
	return keyState{
		done: done != nil && *done == 1, wasDone: done != nil && *done == 0,
		byMe: string(by) == string(p.Token),
		held: lease != nil, mine: string(lease) == string(p.Token),
	}, err
}

func (s *Store) params(key, token string, span time.Duration) sqlclaim.Params {
	return sqlclaim.Params{
		Namespace: s.namespace, Key: sqlclaim.Bytes(key), Token: sqlclaim.Bytes(token), Span: span,
	}
}

func (s *Store) keepFor(keep time.Duration) time.Duration {
	if s.keep > 0 {
		return s.keep
	}
	return keep
}

// Execer is what runs a statement: a pgx.Tx, for one.
type Execer interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

func exec(ctx context.Context, on Execer, statement sqlclaim.Statement, p sqlclaim.Params) (int64, error) {
	tag, err := on.Exec(ctx, statement.Text, statement.Args(p)...)
	return tag.RowsAffected(), err
}
