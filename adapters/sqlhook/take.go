package sqlhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"slices"
	"strings"
	"time"
)

const (
	takeWhere = `
  WHERE q.namespace = @namespace AND q.queue = @queue AND q.state = 0 AND q.due >= @floor AND q.due <= {until} AND q.format <= @format`
	takeUsual = `
  AND (q.token = @none OR q.attempt < @suspect)`
	// Those whose workers have died, more than once.
	takeSuspects = `
  AND q.token <> @none AND q.attempt >= @suspect`
	// Only the first of those with the same key that wait.
	takeInOrder = `
  AND (q.ordering = @none OR NOT EXISTS (
    SELECT 1 FROM sonzaihook_queue AS e
    WHERE e.namespace = q.namespace AND e.queue = q.queue AND e.ordering = q.ordering AND e.state = 0 AND e.seq < q.seq))`
	takeFirst = ` ORDER BY q.due, q.seq LIMIT @limit`

	takePostgres = `
WITH next AS MATERIALIZED (
  SELECT q.seq FROM sonzaihook_queue AS q` + takeWhere + `{which}` + takeFirst + ` FOR UPDATE SKIP LOCKED),
taken AS (
  UPDATE sonzaihook_queue AS q SET due = {now} + @lease, token = @token, attempt = q.attempt + 1
  FROM next WHERE q.seq = next.seq
  RETURNING q.seq, q.id, q.meta, q.body, q.attempt, q.enqueued, {now} - q.enqueued AS age, q.reason)`
	takePlainPostgres = takePostgres + `
SELECT seq, id, meta, body, attempt, enqueued, age, reason, false FROM taken`
	// The look at the key is a scalar subquery, which stays a look into the index; a
	// join is planned for the size that the table had when the statement was first
	// prepared, and may walk over all that was done since.
	takeAndClaimPostgres = takePostgres + `,
claimed AS (
  INSERT INTO sonzaihook_leases (namespace, id, token, expires)
  SELECT @namespace, t.id, @token, {now} + @claim FROM taken AS t
  WHERE (SELECT d.token FROM sonzaihook_done AS d WHERE d.namespace = @namespace AND d.id = t.id) IS NULL
  ORDER BY t.id
  ON CONFLICT (namespace, id) DO NOTHING
  RETURNING id)
SELECT t.seq, t.id, t.meta, t.body, t.attempt, t.enqueued, t.age, t.reason, c.id IS NOT NULL
FROM taken AS t LEFT JOIN claimed AS c ON c.id = t.id`

	takeSQLite = `
UPDATE sonzaihook_queue SET due = {now} + @lease, token = @token, attempt = attempt + 1
WHERE seq IN (SELECT q.seq FROM sonzaihook_queue AS q` + takeWhere + `{which}` + takeFirst + `)
RETURNING seq, id, meta, body, attempt, enqueued, {now} - enqueued, reason, 0`

	lookMySQL = `
SELECT q.seq, q.id, q.meta, q.body, q.attempt + 1, q.enqueued, {now} - q.enqueued, q.reason, 0 FROM sonzaihook_queue AS q` +
		takeWhere + `{which}` + takeFirst + ` FOR UPDATE SKIP LOCKED`
)

var (
	takeMySQL = list{`
UPDATE sonzaihook_queue SET due = {now} + @lease, token = @token, attempt = attempt + 1 WHERE seq IN (`, "@seq.n", ", ", ")"}

	claimSQLite = list{`
INSERT INTO sonzaihook_leases (namespace, id, token, expires)
SELECT q.namespace, q.id, @token, {now} + @claim FROM sonzaihook_queue AS q
WHERE q.seq IN (`, "@seq.n", ", ", `)
AND NOT EXISTS (SELECT 1 FROM sonzaihook_done AS d WHERE d.namespace = q.namespace AND d.id = q.id)
ON CONFLICT DO NOTHING
RETURNING id`}

	claimMySQL = list{`
INSERT IGNORE INTO sonzaihook_leases (namespace, id, token, expires)
SELECT q.namespace, q.id, @token, {now} + @claim FROM sonzaihook_queue AS q
WHERE q.seq IN (`, "@seq.n", ", ", ") ORDER BY q.id"}
	// A look after the leases are there: who is done by then has seen none of them.
	claimedMySQL = list{`
SELECT l.id FROM sonzaihook_leases AS l
WHERE l.namespace = @namespace AND l.token = @token AND l.id IN (`, "@id.n", ", ", `)
AND NOT EXISTS (SELECT 1 FROM sonzaihook_done AS d WHERE d.namespace = l.namespace AND d.id = l.id)`}
)

// suspect is from how many attempts on a row is taken by itself if its last worker
// has died: it may be what killed it, and whatever runs beside it would die with it
// each time, until its attempts are spent.
const suspect = 2

// span is a time, in microseconds since 1970, in which rows were due. A until of 0 is
// now, and so is a later one.
type span struct{ from, until int64 }

// take takes up to n rows that were due in the span, and leases them: suspects or the
// others. Only the index of the span is read. Once the receiver is known to claim in the same store, it claims the keys in the same
// transaction; those that it does not get the receiver asks for, and is told why.
func (q *Queue) take(ctx context.Context, n int, due span, suspects bool) ([]*taken, error) {
	which := takeUsual
	if suspects {
		which = takeSuspects
	}
	if q.order != nil {
		which += takeInOrder
	}
	until := "{now}"
	if due.until > 0 {
		until = "LEAST({now}, @until)"
		if q.store.dialect == SQLite {
			until = "min({now}, @until)"
		}
	}
	placed := strings.NewReplacer("{which}", which, "{until}", until)
	lease := time.Duration(q.claimLease.Load())
	claim := lease + claimAhead(lease)
	v := values{
		"format": formatVersion, "floor": due.from, "until": due.until, "limit": n, "lease": q.lease, "none": []byte{}, "token": []byte(rand.Text()),
		"claim": claim, "suspect": suspect,
	}
	claims := lease > 0
	asked := time.Now()
	var rows []*taken
	err := q.store.write(ctx, "take", func(ctx context.Context, on querier) error {
		var err error
		switch q.store.dialect {
		case MySQL:
			rows, err = q.takeOnMySQL(ctx, placed.Replace(lookMySQL), v, claims)
		case SQLite:
			rows, err = q.takeOnSQLite(ctx, on, placed.Replace(takeSQLite), v, claims)
		default:
			text := takePlainPostgres
			if claims {
				text = takeAndClaimPostgres
			}
			rows, err = q.query(ctx, on, placed.Replace(text), v)
		}
		return err
	})
	if err != nil { // another may still be making this call
		return nil, err
	}
	for _, t := range rows {
		if t.granted {
			t.claimed = asked.Add(claim)
		}
	}
	slices.SortFunc(rows, func(a, b *taken) int { return cmp.Compare(a.seq, b.seq) })
	return rows, nil
}

// claimAhead is for how much longer than the receiver asks for a key is claimed when
// its row is taken, so that the row may wait for a worker.
func claimAhead(lease time.Duration) time.Duration { return min(lease/3, 5*time.Second) }

func (q *Queue) takeOnSQLite(ctx context.Context, on querier, text string, v values, claims bool) ([]*taken, error) {
	rows, err := q.query(ctx, on, text, v)
	if err != nil || len(rows) == 0 || !claims {
		return rows, err
	}
	return rows, q.grant(ctx, on, rows, claimSQLite, v)
}

// takeOnMySQL looks and takes in one transaction, at a level that locks no gaps into
// which others enqueue.
func (q *Queue) takeOnMySQL(ctx context.Context, look string, v values, claims bool) ([]*taken, error) {
	tx, err := q.store.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	rows, err := q.query(ctx, tx, look, v)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	statements := []list{takeMySQL}
	if claims {
		statements = append(statements, claimMySQL)
	}
	for _, l := range statements {
		text, args := q.bindList(l, len(rows), v, columnsOf(rows))
		if _, err := tx.ExecContext(ctx, text, args...); err != nil {
			return nil, err
		}
	}
	if claims {
		if err := q.grant(ctx, tx, rows, claimedMySQL, v); err != nil {
			return nil, err
		}
	}
	return rows, tx.Commit()
}

// grant notes which of the rows' keys a statement returns: those that were claimed.
func (q *Queue) grant(ctx context.Context, on querier, rows []*taken, l list, v values) error {
	text, args := q.bindList(l, len(rows), v, columnsOf(rows))
	found, err := on.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer found.Close()
	granted := make(map[string]bool, len(rows))
	for found.Next() {
		var id []byte
		if err := found.Scan(&id); err != nil {
			return err
		}
		granted[string(id)] = true
	}
	for _, t := range rows {
		t.granted = granted[t.id]
	}
	return found.Err()
}

func columnsOf(rows []*taken) func(name string, row int) any {
	return func(name string, row int) any {
		if name == "id" {
			return []byte(rows[row].id)
		}
		return rows[row].seq
	}
}

func (q *Queue) query(ctx context.Context, on querier, text string, v values) ([]*taken, error) {
	text, args := q.bind(text, v)
	found, err := on.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []*taken
	for found.Next() {
		t := &taken{queue: q, token: v["token"].([]byte), over: func() {}, free: func() {}}
		var age int64
		err := found.Scan(&t.seq, &t.id, &t.meta, &t.body, &t.attempt, &t.enqueued, &age, &t.reason, &t.granted)
		if err != nil {
			return nil, err
		}
		t.age = time.Duration(age) * time.Microsecond
		rows = append(rows, t)
	}
	return rows, found.Err()
}

// renew lengthens the lease.
func (q *Queue) renew(ctx context.Context, on Execer, t *taken) (int64, error) {
	return q.exec(ctx, on, "UPDATE sonzaihook_queue SET due = {now} + @lease WHERE seq = @seq AND token = @row AND state = 0",
		t, values{"lease": q.lease})
}

// postpone gives a row back, to be due after a while. What was no attempt is not
// counted.
func (q *Queue) postpone(ctx context.Context, on Execer, t *taken, after time.Duration, counts bool, reason string) (int64, error) {
	uncount := 1
	if counts {
		uncount = 0
	}
	return q.exec(ctx, on, `
UPDATE sonzaihook_queue SET due = {now} + @after, attempt = attempt - @uncount, token = @none, reason = @reason
WHERE seq = @seq AND token = @row AND state = 0`,
		t, values{"after": after, "uncount": uncount, "none": []byte{}, "reason": reason})
}

// bury keeps a row as dead, until its retention is over.
func (q *Queue) bury(ctx context.Context, on Execer, t *taken, reason string) (int64, error) {
	return q.exec(ctx, on, `
UPDATE sonzaihook_queue SET state = 1, due = {now} + @retention, token = @none, reason = @reason
WHERE seq = @seq AND token = @row AND state = 0`,
		t, values{"retention": q.retention, "none": []byte{}, "reason": reason})
}

func (q *Queue) exec(ctx context.Context, on Execer, text string, t *taken, v values) (int64, error) {
	if v == nil {
		v = values{}
	}
	v["seq"], v["row"] = t.seq, t.token
	query, args := q.bind(text, v)
	result, err := on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
