package sqlhook

import (
	"context"
	"database/sql"
	"time"

	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// leaving is a row that leaves the queue because its delivery is done. With a token
// its key becomes done in the same transaction.
type leaving struct {
	row   *taken
	token string // of the lease of the key; empty: the key stays as it is
	keep  time.Duration
	done  bool // set by leaveAll: the key is done and the row is gone
}

// commit makes the key of a row done, and deletes the row, in a transaction that
// rows which leave at the same time share. It reports false if that cannot be said,
// because another has the lease or the key is done already.
func (q *Queue) commit(ctx context.Context, t *taken, token string, keep time.Duration) (bool, error) {
	l := &leaving{row: t, token: token, keep: keep}
	if err := q.leaves.do(ctx, l); err != nil {
		return false, err
	}
	return l.done, nil
}

// leave deletes a row.
func (q *Queue) leave(ctx context.Context, t *taken) error {
	return q.leaves.do(ctx, &leaving{row: t})
}

func (q *Queue) leaveOne(ctx context.Context, l *leaving) error {
	return q.leaveAll(ctx, []*leaving{l})
}

// leaveAll is one transaction for those whose keys become done, and a statement for
// the others.
func (q *Queue) leaveAll(ctx context.Context, all []*leaving) error {
	var marked, others []*leaving
	for _, l := range all {
		if l.token != "" {
			marked = append(marked, l)
		} else {
			others = append(others, l)
		}
	}
	if len(marked) > 0 {
		if err := q.mark(ctx, marked); err != nil {
			return err
		}
	}
	if len(others) == 0 {
		return nil
	}
	return q.store.write(ctx, "leave", func(ctx context.Context, on querier) error {
		_, err := q.runList(ctx, on, q.deleteRows(), others)
		return err
	})
}

// mark does nothing if it could write "done" for some of them only: each has to look
// what became of its key.
func (q *Queue) mark(ctx context.Context, rows []*leaving) error {
	all := false
	err := q.store.write(ctx, "commit", func(ctx context.Context, on querier) error {
		var err error
		all, err = q.markOn(ctx, on, rows)
		return err
	})
	if err != nil || !all { // after an error another may still be making this call
		return err
	}
	for _, l := range rows {
		l.done = true
	}
	return nil
}

func (q *Queue) markOn(ctx context.Context, on querier, rows []*leaving) (all bool, err error) {
	switch q.store.dialect {
	case Postgres:
		changed, err := q.runList(ctx, on, leavePostgres, rows)
		return changed == int64(len(rows)), err
	case SQLite:
		return q.markAndDelete(ctx, on, doneSQLite, rows)
	}
	tx, err := q.store.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if all, err = q.markAndDelete(ctx, tx, doneMySQL, rows); err != nil || !all {
		return false, err
	}
	return true, tx.Commit()
}

func (q *Queue) markAndDelete(ctx context.Context, on querier, done list, rows []*leaving) (all bool, err error) {
	changed, err := q.runList(ctx, on, done, rows)
	if err != nil || changed < int64(len(rows)) {
		return false, err
	}
	_, err = q.runList(ctx, on, q.deleteRows(), rows)
	return err == nil, err
}

func (q *Queue) runList(ctx context.Context, on Execer, l list, rows []*leaving) (int64, error) {
	text, args := q.bindList(l, len(rows), nil, func(name string, i int) any { return rows[i].value(name) })
	result, err := on.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (l *leaving) value(name string) any {
	switch name {
	case "id":
		return []byte(l.row.id)
	case "token":
		return sqlclaim.Bytes(l.token)
	case "keep":
		return l.keep
	case "row":
		return l.row.token
	}
	return l.row.seq
}

func (q *Queue) deleteRows() list {
	if q.store.dialect == Postgres {
		return deletePostgres
	}
	return deleteRows
}

// A row of which the worker still has the lease leaves by itself, in the transaction
// that makes its key done.
const (
	deleteText = "DELETE FROM sonzaihook_queue WHERE seq = @seq AND token = @row AND state = 0"
	leaveText  = "WITH gone AS (" + deleteText + ")"
)

const (
	doneItem   = "SELECT @id.n AS id, @token.n AS token, @keep.n AS keep"
	doneInsert = " INTO sonzaihook_done (namespace, id, token, expires)\nSELECT @namespace, i.id, i.token, {now} + i.keep FROM ("
	// Not those whose key another holds.
	doneWhere = `) AS i
WHERE NOT EXISTS (SELECT 1 FROM sonzaihook_leases AS l WHERE l.namespace = @namespace AND l.id = i.id AND l.token <> i.token`
)

var (
	// The leases are locked, so that no other call takes one over at the same time.
	leavePostgres = list{`
WITH item (id, token, keep, seq, row_token) AS MATERIALIZED (VALUES `, "(@id.n::bytea, @token.n::bytea, @keep.n::bigint, @seq.n::bigint, @row.n::bytea)", ", ", `),
held AS MATERIALIZED (
  SELECT l.id, l.token FROM item AS i CROSS JOIN LATERAL (
    SELECT id, token FROM sonzaihook_leases WHERE namespace = @namespace AND id = i.id FOR UPDATE) AS l),
mine AS MATERIALIZED (
  SELECT * FROM item AS i WHERE NOT EXISTS (SELECT 1 FROM held AS h WHERE h.id = i.id AND h.token <> i.token)),
gone AS (
  DELETE FROM sonzaihook_queue AS q USING mine AS i WHERE q.seq = i.seq AND q.token = i.row_token AND q.state = 0)
INSERT INTO sonzaihook_done (namespace, id, token, expires)
SELECT @namespace, id, token, {now} + keep FROM mine
ON CONFLICT DO NOTHING`}
	deletePostgres = list{`
DELETE FROM sonzaihook_queue AS q USING (VALUES `, "(@seq.n::bigint, @row.n::bytea)", ", ", `) AS i(seq, token)
WHERE q.seq = i.seq AND q.token = i.token AND q.state = 0`}

	doneSQLite = list{"\nINSERT" + doneInsert, doneItem, " UNION ALL ", doneWhere + ")\nON CONFLICT DO NOTHING"}
	doneMySQL  = list{"\nINSERT IGNORE" + doneInsert, doneItem, " UNION ALL ", doneWhere + " LOCK IN SHARE MODE)"}
	deleteRows = list{"\nDELETE FROM sonzaihook_queue WHERE state = 0 AND (", "seq = @seq.n AND token = @row.n", " OR ", ")"}
)
