package sqlhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// taken is a row that a worker has. Its token is the fence: who lost the row to
// another finds no row with it.
type taken struct {
	queue      *Queue
	seq        int64
	token      []byte
	meta, body []byte
	attempt    int   // this one included
	enqueued   int64 // microseconds since 1970
	age        time.Duration
	reason     string // why the last attempt failed

	left    atomic.Bool // the row went in the transaction of InTx
	mu      sync.Mutex
	renewed bool // or is being renewed
	riding  bool // or has gone
}

// ride reports whether the row may be deleted in the transaction of the callbacks.
// Not if its lease was renewed meanwhile: a transaction that began before would
// fail under a strict isolation level. The worker deletes it afterwards then.
func (t *taken) ride() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.riding = !t.renewed
	return t.riding
}

// renews reports whether the lease may be renewed.
func (t *taken) renews() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewed = !t.riding
	return t.renewed
}

type takenKey struct{}

// takenFrom returns the row that a run came from, if it is in the store's database.
func takenFrom(ctx context.Context, s *Store) *taken {
	t, _ := ctx.Value(takenKey{}).(*taken)
	if t == nil || t.queue.store.db != s.db {
		return nil
	}
	return t
}

// delivery returns what was enqueued, as a broker's delivery.
func (t *taken) delivery() (*sonzaihook.Delivery, error) {
	m, err := readMeta(t.meta)
	if err != nil {
		return nil, err
	}
	d := &sonzaihook.Delivery{
		ID: string(m.ID), Type: sonzaihook.EventType(m.Type), Name: string(m.Name), Project: string(m.Project),
		Source: sonzaihook.SourceBroker, Body: t.body, Trace: m.Trace,
	}
	if m.SignedAt != 0 {
		d.SignedAt = time.Unix(m.SignedAt, 0)
	}
	return d, nil
}

func readMeta(encoded []byte) (meta, error) {
	var m meta
	if err := json.Unmarshal(encoded, &m); err != nil {
		return m, fmt.Errorf("sqlhook: row of a queue: %w", err)
	}
	return m, nil
}

const (
	takeWhere = `
  WHERE q.namespace = @namespace AND q.queue = @queue AND q.state = 0 AND q.due >= @floor AND q.due <= {now} AND q.format <= @format`
	// Only the first of those with the same key that wait.
	takeInOrder = `
  AND (q.ordering = @none OR NOT EXISTS (
    SELECT 1 FROM sonzaihook_queue AS e
    WHERE e.namespace = q.namespace AND e.queue = q.queue AND e.ordering = q.ordering AND e.state = 0 AND e.seq < q.seq))`
	takeFirst    = ` ORDER BY q.due, q.seq LIMIT @limit`
	takePostgres = `
WITH next AS MATERIALIZED (
  SELECT q.seq FROM sonzaihook_queue AS q` + takeWhere + `{order}` + takeFirst + ` FOR UPDATE SKIP LOCKED)
UPDATE sonzaihook_queue AS q SET due = {now} + @lease, token = @token, attempt = q.attempt + 1
FROM next WHERE q.seq = next.seq
RETURNING q.seq, q.meta, q.body, q.attempt, q.enqueued, {now} - q.enqueued, q.reason`
	takeSQLite = `
UPDATE sonzaihook_queue SET due = {now} + @lease, token = @token, attempt = attempt + 1
WHERE seq IN (SELECT q.seq FROM sonzaihook_queue AS q` + takeWhere + `{order}` + takeFirst + `)
RETURNING seq, meta, body, attempt, enqueued, {now} - enqueued, reason`
	lookMySQL = `
SELECT q.seq, q.meta, q.body, q.attempt + 1, q.enqueued, {now} - q.enqueued, q.reason FROM sonzaihook_queue AS q` +
		takeWhere + `{order}` + takeFirst + ` FOR UPDATE SKIP LOCKED`
	takeMySQL = `
UPDATE sonzaihook_queue SET due = {now} + @lease, token = @token, attempt = attempt + 1 WHERE seq IN ({seqs})`
)

// take takes up to n rows that are due, and leases them. It passes over those that
// were due before floor, in microseconds since 1970.
func (q *Queue) take(ctx context.Context, n int, floor int64) ([]*taken, error) {
	order := ""
	if q.order != nil {
		order = takeInOrder
	}
	v := values{"format": formatVersion, "floor": floor, "limit": n, "lease": q.lease, "none": []byte{}, "token": []byte(rand.Text())}
	var rows []*taken
	err := q.store.write(ctx, "take", func(ctx context.Context, on querier) error {
		var err error
		if q.store.dialect == MySQL {
			rows, err = q.takeOnMySQL(ctx, order, v)
			return err
		}
		text := takePostgres
		if q.store.dialect == SQLite {
			text = takeSQLite
		}
		rows, err = q.query(ctx, on, strings.Replace(text, "{order}", order, 1), v)
		return err
	})
	if err != nil { // another may still be making this call
		return nil, err
	}
	slices.SortFunc(rows, func(a, b *taken) int { return cmp.Compare(a.seq, b.seq) })
	return rows, nil
}

// takeOnMySQL looks and takes in one transaction, at a level that locks no gaps into
// which others enqueue.
func (q *Queue) takeOnMySQL(ctx context.Context, order string, v values) ([]*taken, error) {
	tx, err := q.store.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	rows, err := q.query(ctx, tx, strings.Replace(lookMySQL, "{order}", order, 1), v)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var seqs []string
	for _, t := range rows {
		seqs = append(seqs, fmt.Sprint(t.seq))
	}
	text, args := q.bind(strings.Replace(takeMySQL, "{seqs}", strings.Join(seqs, ", "), 1), v)
	if _, err := tx.ExecContext(ctx, text, args...); err != nil {
		return nil, err
	}
	return rows, tx.Commit()
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
		t := &taken{queue: q, token: v["token"].([]byte)}
		var age int64
		if err := found.Scan(&t.seq, &t.meta, &t.body, &t.attempt, &t.enqueued, &age, &t.reason); err != nil {
			return nil, err
		}
		t.age = time.Duration(age) * time.Microsecond
		rows = append(rows, t)
	}
	return rows, found.Err()
}

// delete deletes a row of which the worker still has the lease.
func (q *Queue) delete(ctx context.Context, on Execer, t *taken) (int64, error) {
	return q.exec(ctx, on, "DELETE FROM sonzaihook_queue WHERE seq = @seq AND token = @token AND state = 0", t, nil)
}

// renew lengthens the lease.
func (q *Queue) renew(ctx context.Context, on Execer, t *taken) (int64, error) {
	return q.exec(ctx, on, "UPDATE sonzaihook_queue SET due = {now} + @lease WHERE seq = @seq AND token = @token AND state = 0",
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
WHERE seq = @seq AND token = @token AND state = 0`,
		t, values{"after": after, "uncount": uncount, "none": []byte{}, "reason": reason})
}

// bury keeps a row as dead, until its retention is over.
func (q *Queue) bury(ctx context.Context, on Execer, t *taken, reason string) (int64, error) {
	return q.exec(ctx, on, `
UPDATE sonzaihook_queue SET state = 1, due = {now} + @retention, token = @none, reason = @reason
WHERE seq = @seq AND token = @token AND state = 0`,
		t, values{"retention": q.retention, "none": []byte{}, "reason": reason})
}

func (q *Queue) exec(ctx context.Context, on Execer, text string, t *taken, v values) (int64, error) {
	if v == nil {
		v = values{}
	}
	v["seq"], v["token"] = t.seq, t.token
	query, args := q.bind(text, v)
	result, err := on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
