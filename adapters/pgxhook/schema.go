package pgxhook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

const database = "postgres"

// Migrations returns the files that make the tables, for a tool that keeps the
// schema of the whole database: 0001_claims.up.sql and so on, with the marks of
// goose in them. There are no files for the way back.
func Migrations() fs.FS { return sqlclaim.Files(database) }

// Schema returns the statements that make the tables in an empty database, as
// text.
func (s *Store) Schema() string { return sqlclaim.Schema(database) }

// Migrate makes the tables, or brings those of an older version up to date. It may
// be called by several instances at once, and does nothing where all is as it
// should be. Tables of a newer version are an error that wraps [ErrSchema].
func (s *Store) Migrate(ctx context.Context) error {
	return s.explain(ctx, "migrate", sqlclaim.Retry(ctx, func() error {
		if version, err := version(ctx, s.pool); err == nil && version == sqlclaim.Version {
			return nil
		}
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return migrate(ctx, tx) })
	}))
}

func migrate(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, sqlclaim.MigrationLock); err != nil {
		return err
	}
	var exists bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('sonzaihook_schema') IS NOT NULL").Scan(&exists); err != nil {
		return err
	}
	has := 0
	if exists {
		var err error
		if has, err = version(ctx, tx); err != nil {
			return err
		}
	}
	if has > sqlclaim.Version {
		return fmt.Errorf("%w: the tables have version %d, this program knows %d", ErrSchema, has, sqlclaim.Version)
	}
	for _, step := range sqlclaim.Migrations(database) {
		if step.Version <= has {
			continue
		}
		for _, statement := range step.Statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("version %d: %w", step.Version, err)
			}
		}
	}
	return nil
}

type rowQuerier interface {
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}

// version returns the version of the tables; 0 if the table of versions is empty.
func version(ctx context.Context, on rowQuerier) (int, error) {
	var version int
	err := on.QueryRow(ctx, "SELECT version FROM sonzaihook_schema").Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// Check asks the database whether a store can keep what it promises: that it can be
// written to, that the tables have the version that this program needs, and that its
// settings let it forget nothing. It returns an error that wraps [ErrReadOnly],
// [ErrSchema] or [ErrUnsafeServer] and says what to do. Call it at start-up; it is
// not part of any delivery.
func (s *Store) Check(ctx context.Context) error {
	has, err := version(ctx, s.pool)
	if err != nil {
		return s.explain(ctx, "check", err)
	}
	if has != sqlclaim.Version {
		return fmt.Errorf("%w: check: the tables have version %d, this program needs %d", ErrSchema, has, sqlclaim.Version)
	}
	for _, q := range []struct {
		name, bad string
		kind      error
	}{
		{"transaction_read_only", "on", ErrReadOnly},
		{"fsync", "off", ErrUnsafeServer},
		{"synchronous_commit", "off", ErrUnsafeServer},
	} {
		var got string
		if err := s.pool.QueryRow(ctx, "SELECT current_setting($1)", q.name).Scan(&got); err != nil {
			return s.explain(ctx, "check", err)
		}
		if got == q.bad {
			return fmt.Errorf("%w: %s is %s", q.kind, q.name, got)
		}
	}
	return nil
}

// sweepBatch is how many rows one transaction deletes, so that no other call waits for it.
const sweepBatch = 1000

// Sweep deletes the rows whose time has been over for a minute, and the dead
// deliveries of queues whose retention is over, of all namespaces, a thousand at a
// time, and returns how many. Nothing else does it: call it every
// minute or so, from a ticker of the program's or from a scheduled job, by one
// instance or by all. One at a time works, and the others return 0. Rows that stay
// longer cost space, not correctness. What was deleted before an error is counted.
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	var total int64
	for _, statement := range []sqlclaim.Statement{s.statements.SweepLeases, s.statements.SweepDone, s.statements.SweepDead} {
		for n := int64(sweepBatch); n == sweepBatch; total += n {
			err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				var mine bool
				err := tx.QueryRow(ctx, sqlclaim.SweepLock).Scan(&mine)
				if n = 0; err != nil || !mine {
					return err
				}
				n, err = exec(ctx, tx, statement, sqlclaim.Params{Limit: sweepBatch})
				return err
			})
			if err != nil {
				return total, s.explain(ctx, "sweep", err)
			}
		}
	}
	return total, nil
}
