package pgxhook

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Query is guarded until the rows are closed.
func (t *guardedTx) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := t.Tx.Query(ctx, query, args...)
	done := t.guard.kept(cancel)
	if err != nil {
		done()
		return nil, err
	}
	return &guardedRows{rows, done}, nil
}

// QueryRow is guarded until the row is scanned.
func (t *guardedTx) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return failedRow{err}
	}
	row := t.Tx.QueryRow(ctx, query, args...)
	return guardedRow{row, t.guard.kept(cancel)}
}

// SendBatch is guarded until the results are closed.
func (t *guardedTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	ctx, cancel, err := t.guard.enter(ctx)
	if err != nil {
		return failedBatch{err}
	}
	results := t.Tx.SendBatch(ctx, b)
	return guardedBatch{results, t.guard.kept(cancel)}
}

type guardedRows struct {
	pgx.Rows
	done func()
}

func (r *guardedRows) Close() {
	r.Rows.Close()
	r.done()
}

func (r *guardedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.done() // pgx has closed them
	return false
}

type guardedRow struct {
	row  pgx.Row
	done func()
}

func (r guardedRow) Scan(dest ...any) error {
	defer r.done()
	return r.row.Scan(dest...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

type guardedBatch struct {
	pgx.BatchResults
	done func()
}

func (b guardedBatch) Close() error {
	defer b.done()
	return b.BatchResults.Close()
}

type failedBatch struct{ err error }

func (b failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, b.err }
func (b failedBatch) Query() (pgx.Rows, error)         { return nil, b.err }
func (b failedBatch) QueryRow() pgx.Row                { return failedRow(b) }
func (b failedBatch) Close() error                     { return b.err }
func (b failedBatch) Tx() pgx.Tx                       { return nil }
