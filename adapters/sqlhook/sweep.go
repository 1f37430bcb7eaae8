package sqlhook

import (
	"context"
	"database/sql"

	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// sweepBatch is how many rows one transaction deletes, so that no other call waits for it.
const sweepBatch = 1000

// Sweep deletes the rows whose time has been over for a minute, and the dead
// deliveries of queues whose retention is over, of all namespaces, a thousand at a
// time, and returns how many. Nothing else does it: call it every
// minute or so, from a ticker of the program's or from a scheduled job, by one
// instance or by all. On PostgreSQL one at a time works, and the others return 0.
// Rows that stay longer cost space, not correctness. What was deleted before an
// error is counted.
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	var total int64
	for _, statement := range []sqlclaim.Statement{s.statements.SweepLeases, s.statements.SweepDone, s.statements.SweepDead} {
		for {
			n, err := s.sweepSome(ctx, statement)
			total += n
			if err != nil {
				return total, err
			}
			if n < sweepBatch {
				break
			}
		}
	}
	return total, nil
}

func (s *Store) sweepSome(ctx context.Context, statement sqlclaim.Statement) (int64, error) {
	p := sqlclaim.Params{Limit: sweepBatch}
	sweep := func(ctx context.Context, on querier) (int64, error) {
		if s.dialect == SQLite {
			return exec(ctx, on, statement, p)
		}
		return s.sweepInTx(ctx, statement, p)
	}
	var deleted int64
	err := s.write(ctx, "sweep", func(ctx context.Context, on querier) error {
		var err error
		deleted, err = sweep(ctx, on)
		return err
	})
	if err != nil { // another may still be making this call
		return 0, err
	}
	return deleted, nil
}

// sweepInTx deletes under an advisory lock on PostgreSQL, and on MySQL without
// locks on the gaps between rows, into which others insert.
func (s *Store) sweepInTx(ctx context.Context, statement sqlclaim.Statement, p sqlclaim.Params) (int64, error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if s.dialect == Postgres {
		var mine bool
		if err := tx.QueryRowContext(ctx, sqlclaim.SweepLock).Scan(&mine); err != nil || !mine {
			return 0, err
		}
	}
	deleted, err := exec(ctx, tx, statement, p)
	if err != nil {
		return 0, err
	}
	return deleted, tx.Commit()
}
