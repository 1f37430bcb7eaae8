// Package sqlhook keeps what a receiver knows of its deliveries in the user's own
// database, through database/sql: PostgreSQL, SQLite, MySQL and MariaDB. What a
// callback writes in the transaction of [Store.InTx] happens exactly once, because
// "done" is written in the same transaction.
//
//	store, err := sqlhook.New(db, sqlhook.Postgres)
//	…
//	hooks, err := sonzaihook.New(secrets, sonzaihook.WithStore(store))
//	…
//	hooks.Use(store.InTx(nil))
//	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
//		tx, err := sqlhook.Tx(ctx)
//		if err != nil {
//			return err
//		}
//		_, err = tx.ExecContext(ctx, "INSERT INTO moods (agent, label) VALUES ($1, $2)", e.AgentID, e.Data.Label)
//		return err
//	})
//
// # The tables
//
// [Store.Migrate] makes them; [Migrations] has the same as files for goose and
// golang-migrate, and [Store.Schema] as text. A key has a lease while it is held
// and a row in sonzaihook_done once it is done, some 200 bytes each with their
// indexes. [Store.Sweep] deletes what has expired; call it every minute or so.
//
// # Connections
//
// A run that has called [Tx] holds one connection, and a claim or a renewal needs
// another one for a moment. Let db.SetMaxOpenConns be greater than the number of
// deliveries that run at once (sonzaihook.WithMaxInFlight), or renewals starve and
// leases are lost.
//
// # Settings
//
// PostgreSQL as it comes. MySQL and MariaDB in strict mode, which is their default;
// [Store.Check] finds out. SQLite 3.42 or later with journal_mode WAL, synchronous FULL
// and, so that other programs can write to the file as well, a busy_timeout. Time is
// the server's; what the clocks of the instances say does not matter.
//
// SQLite has one writer for the whole file. A transaction that is open keeps every
// claim in the file waiting, so let it be quick: make slow calls before [Tx].
package sqlhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// Dialect is the kind of a database.
type Dialect int

// The databases that a Store works with.
const (
	Postgres Dialect = iota + 1 // PostgreSQL 12 or later
	SQLite                      // SQLite 3.42 or later
	MySQL                       // MySQL 8 or later, MariaDB 10.6 or later
)

// String returns the name of the dialect, in lower case.
func (d Dialect) String() string {
	switch d {
	case Postgres:
		return "postgres"
	case SQLite:
		return "sqlite"
	case MySQL:
		return "mysql"
	}
	return fmt.Sprintf("Dialect(%d)", int(d))
}

// Store is a sonzaihook.Store on a database. It is safe for concurrent use by any
// number of goroutines, processes and machines. It starts no goroutine. Make one
// with [New].
type Store struct {
	db         *sql.DB
	dialect    Dialect
	statements sqlclaim.Statements
	namespace  []byte
	keep       time.Duration // 0: what the receiver asks for
	unsynced   bool
	logger     *slog.Logger

	notes  sqlclaim.Notes
	writer *writer         // SQLite's; else nil
	writes *group[*change] // SQLite's; else nil
	mu     sync.Mutex
	open   map[string]string // SQLite: the token of each key whose transaction is open
}

var _ sonzaihook.Store = (*Store)(nil)

// New returns a store that uses the database, which stays the caller's to close. It
// does not connect. It returns an error that wraps sonzaihook.ErrInvalidOption if db
// is nil, the dialect is unknown or an option has an impossible value.
func New(db *sql.DB, dialect Dialect, options ...Option) (*Store, error) {
	s := &Store{db: db, dialect: dialect, logger: slog.Default(), open: map[string]string{}, namespace: []byte{}}
	if db == nil {
		return nil, fmt.Errorf("sqlhook: %w: the database is nil", sonzaihook.ErrInvalidOption)
	}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("sqlhook: %w: an option is nil", sonzaihook.ErrInvalidOption)
		}
		option(s)
	}
	switch dialect {
	case Postgres:
		s.statements = sqlclaim.Postgres
		if s.unsynced {
			s.statements = sqlclaim.PostgresUnsynced
		}
	case SQLite:
		s.statements = sqlclaim.SQLite
		s.shareWrites()
	case MySQL:
		s.statements = sqlclaim.MySQL
	default:
		return nil, fmt.Errorf("sqlhook: %w: %v is no dialect", sonzaihook.ErrInvalidOption, dialect)
	}
	return s, s.check()
}

// Claim implements sonzaihook.Store, in one round trip where the key is unknown,
// on MySQL in two.
func (s *Store) Claim(ctx context.Context, key, token string, lease time.Duration) (sonzaihook.State, error) {
	if s.notes.Has(key, token) {
		return sonzaihook.Done, nil
	}
	if state, known := s.openTransaction(key, token); known {
		return state, nil
	}
	token, holds := takenFrom(ctx, s).claim(s, key, token, lease)
	if holds {
		return sonzaihook.Claimed, nil
	}
	var state sonzaihook.State
	p := s.params(key, token, lease)
	err := s.write(ctx, "claim", func(ctx context.Context, on querier) error {
		var err error
		state, err = s.claim(ctx, on, p)
		return err
	})
	if err != nil { // another may still be making this call
		return 0, err
	}
	return state, nil
}

// claimTries bounds how often a claim starts again because the key changed between
// two looks.
const claimTries = 10

func (s *Store) claim(ctx context.Context, on querier, p sqlclaim.Params) (sonzaihook.State, error) {
	for range claimTries {
		took, certain, err := s.take(ctx, on, p)
		if err != nil || certain {
			return sonzaihook.Claimed, err
		}
		now, err := s.state(ctx, on, p)
		switch {
		case err != nil:
			return 0, err
		case now.done:
			return sonzaihook.Done, nil
		case now.wasDone:
			for _, forget := range []sqlclaim.Statement{s.statements.ForgetLease, s.statements.Forget} {
				if _, err := exec(ctx, on, forget, p); err != nil {
					return 0, err
				}
			}
		case took, s.dialect == MySQL && now.heldBy(p.Token):
			return sonzaihook.Claimed, nil
		case now.lease != nil && !now.heldBy(p.Token):
			return sonzaihook.InFlight, nil
		}
	}
	return sonzaihook.InFlight, nil
}

// take asks for the lease, and reports whether it took it, and whether it is
// certain that the key is not done: it is not where another had the lease before,
// because that one may have committed while the statement was under way.
func (s *Store) take(ctx context.Context, on querier, p sqlclaim.Params) (took, certain bool, err error) {
	if s.dialect == MySQL {
		_, err := exec(ctx, on, s.statements.Claim, p)
		return false, false, err
	}
	var taken int
	err = on.QueryRowContext(ctx, s.statements.Claim.Text, s.statements.Claim.Args(p)...).Scan(&taken)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return err == nil, err == nil && taken == 0, err
}

// Commit implements sonzaihook.Store, in one round trip; after [Store.InTx], which
// has written "done" already, in none. A holder that lost the key and finds it done
// by another is told nil, because the key is done; where it matters who made it so,
// in a transaction, [Store.CommitTx] tells it ErrLeaseLost.
func (s *Store) Commit(ctx context.Context, key, token string, keep time.Duration) error {
	if s.notes.Take(key, token) {
		return nil
	}
	t := takenFrom(ctx, s)
	token = t.tokenOf(key, token)
	if left, err := t.commit(ctx, s, key, token, s.keepFor(keep)); err != nil || left {
		return err
	}
	p := s.params(key, token, s.keepFor(keep))
	return s.write(ctx, "commit", func(ctx context.Context, on querier) error {
		changed, err := exec(ctx, on, s.statements.Commit, p)
		if sqlclaim.KindOf(err) == sqlclaim.Duplicate {
			return nil
		}
		if err != nil || changed > 0 {
			return err
		}
		now, err := s.state(ctx, on, p)
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
	p := s.params(key, takenFrom(ctx, s).tokenOf(key, token), 0)
	var mine bool
	err := s.write(ctx, "release", func(ctx context.Context, on querier) error {
		mine = false
		changed, err := exec(ctx, on, s.statements.Release, p)
		if err != nil || changed > 0 {
			return err
		}
		now, err := s.state(ctx, on, p)
		switch {
		case err != nil:
			return err
		case now.done:
			mine = now.doneBy(p.Token)
			return sonzaihook.ErrLeaseLost
		case now.lease != nil && !now.heldBy(p.Token):
			return sonzaihook.ErrLeaseLost
		}
		return nil
	})
	if errors.Is(err, sonzaihook.ErrLeaseLost) && mine {
		return s.committed(ctx, key)
	}
	return err
}

// committed tells of a callback that failed after its transaction was committed.
func (s *Store) committed(ctx context.Context, key string) error {
	s.logger.WarnContext(ctx, "sqlhook: callback failed after its transaction was committed; it is done and will not run again", "delivery", key)
	return fmt.Errorf("sqlhook: release: %w: committed, will not run again", sonzaihook.ErrLeaseLost)
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
