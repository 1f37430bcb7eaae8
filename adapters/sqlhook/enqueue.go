package sqlhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// ErrQueueFull means that as many deliveries wait as WithMaxBacklog allows.
var ErrQueueFull = errors.New("sqlhook: queue full")

// formatVersion is the version of what a row holds. A worker leaves rows of a newer
// one to newer workers.
const formatVersion = 1

// meta is what travels beside the body. Text that may hold any byte is base64 in it.
type meta struct {
	ID         []byte            `json:"id"`
	Type       []byte            `json:"type"`
	Name       []byte            `json:"name"`
	Project    []byte            `json:"project,omitempty"`
	SignedAt   int64             `json:"signed_at,omitempty"` // seconds since 1970
	Source     string            `json:"source,omitempty"`
	ReceivedAt time.Time         `json:"received_at"`
	Trace      map[string]string `json:"trace,omitempty"`
}

// row is a delivery on its way into the table.
type row struct{ id, ordering, meta, body []byte }

const (
	mostRows = 64
	// enqueueLanes is how many statements that enqueue run at once, where a server
	// lets transactions that commit at the same time share a flush as well.
	enqueueLanes = 2
	mostBytes    = 1 << 20 // of the bodies in one statement
)

// Enqueue puts a delivery in, and returns when it is committed. It is what
// sonzaihook.WithHandOff takes. Deliveries that come at the same time share a
// statement, and so a flush of the disk; if that fails, each is put in by itself. A
// delivery whose identity waits already is not put in again, which is no error; one
// whose identity is dead is alive again. It does not hold on to d.
//
// What is stored is the body, byte for byte, and what the delivery says of itself:
// never a signature or an Authorization value.
func (q *Queue) Enqueue(ctx context.Context, d *sonzaihook.Delivery) error {
	r, err := q.row(d)
	if err != nil {
		return err
	}
	if err := q.admit(ctx); err != nil {
		return err
	}
	err = q.inserts.do(ctx, r)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = q.store.explain(ctx, "enqueue", err)
	}
	if err != nil {
		return err
	}
	q.notify()
	return nil
}

// EnqueueTx puts a delivery into the queue in a transaction of the caller's, which the
// caller commits. Workers see it after that, when they next look, see [WithPoll].
func (q *Queue) EnqueueTx(ctx context.Context, tx Execer, d *sonzaihook.Delivery) error {
	r, err := q.row(d)
	if err != nil {
		return err
	}
	return q.store.explain(ctx, "enqueue", q.insert(ctx, tx, []*row{r}))
}

// notify tells Run of this process that there is something to do.
func (q *Queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) row(d *sonzaihook.Delivery) (*row, error) {
	if q.err != nil {
		return nil, q.err
	}
	if d == nil || len(d.Body) == 0 {
		return nil, fmt.Errorf("sqlhook: %w: a delivery without a body", sonzaihook.ErrInvalidOption)
	}
	m := meta{
		ID: []byte(d.ID), Type: []byte(d.Type), Name: []byte(d.Name), Project: []byte(d.Project),
		Source: string(d.Source), ReceivedAt: time.Now().UTC(), Trace: d.Trace,
	}
	if !d.SignedAt.IsZero() {
		m.SignedAt = d.SignedAt.Unix()
	}
	encoded, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("sqlhook: enqueue: %w", err)
	}
	r := &row{id: sqlclaim.Bytes(d.ID), ordering: []byte{}, meta: encoded, body: d.Body}
	if d.ID == "" {
		digest := sha256.Sum256(d.Body)
		r.id = append([]byte("body:"), digest[:]...)
	}
	if q.order != nil {
		r.ordering = sqlclaim.Bytes(q.order(d))
	}
	return r, nil
}

// insertAll puts rows in with as few statements as their bodies allow.
func (q *Queue) insertAll(ctx context.Context, rows []*row) error {
	rows = q.arrange(rows)
	for len(rows) > 0 {
		n, size := 0, 0
		for n < len(rows) && (n == 0 || size+len(rows[n].body) <= mostBytes) {
			size += len(rows[n].body)
			n++
		}
		if err := q.insertSome(ctx, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// arrange leaves each id once, because a statement cannot meet a row that it has just
// put in, and sorts by id, so that two statements don't wait for each other; not
// where the order of the rows matters.
func (q *Queue) arrange(rows []*row) []*row {
	known := make(map[string]bool, len(rows))
	once := make([]*row, 0, len(rows))
	for _, r := range rows {
		if !known[string(r.id)] {
			known[string(r.id)] = true
			once = append(once, r)
		}
	}
	if q.order == nil {
		slices.SortFunc(once, func(a, b *row) int { return bytes.Compare(a.id, b.id) })
	}
	return once
}

func (q *Queue) insertOne(ctx context.Context, r *row) error { return q.insertSome(ctx, []*row{r}) }

func (q *Queue) insertSome(ctx context.Context, rows []*row) error {
	return q.store.write(ctx, "enqueue", func(ctx context.Context, on querier) error { return q.insert(ctx, on, rows) })
}

const insertRow = "(@namespace, @queue, @id.n, {now}, {now}, @format, @ordering.n, @meta.n, @body.n)"

// What is dead is alive again, and what waits stays as it is.
var (
	insertRows = list{`
INSERT INTO sonzaihook_queue AS q (namespace, queue, id, due, enqueued, format, ordering, meta, body) VALUES `, insertRow, ", ", `
ON CONFLICT (namespace, queue, id) DO UPDATE SET
  due = excluded.due, enqueued = excluded.enqueued, format = excluded.format, ordering = excluded.ordering,
  meta = excluded.meta, body = excluded.body, attempt = 0, token = excluded.token, reason = '', state = 0
WHERE q.state = 1`}
	insertRowsMySQL = list{`
INSERT INTO sonzaihook_queue (namespace, queue, id, due, enqueued, format, ordering, meta, body) VALUES `, insertRow, ", ", `
ON DUPLICATE KEY UPDATE
  due = IF(state = 1, VALUES(due), due), enqueued = IF(state = 1, VALUES(enqueued), enqueued),
  format = IF(state = 1, VALUES(format), format), ordering = IF(state = 1, VALUES(ordering), ordering),
  meta = IF(state = 1, VALUES(meta), meta), body = IF(state = 1, VALUES(body), body),
  attempt = IF(state = 1, 0, attempt), token = IF(state = 1, '', token), reason = IF(state = 1, '', reason), state = 0`}
)

func (q *Queue) insert(ctx context.Context, on Execer, rows []*row) error {
	l := insertRows
	if q.store.dialect == MySQL {
		l = insertRowsMySQL
	}
	query, args := q.bindList(l, len(rows), values{"format": formatVersion}, func(name string, i int) any { return rows[i].value(name) })
	_, err := on.ExecContext(ctx, query, args...)
	return err
}

func (r *row) value(name string) any {
	switch name {
	case "id":
		return r.id
	case "ordering":
		return r.ordering
	case "meta":
		return r.meta
	}
	return r.body
}

// lookAgain is how long a queue that was full is taken to be full still.
const lookAgain = 100 * time.Millisecond

// admit refuses a delivery where too many wait. It counts only when it may have to
// refuse.
func (q *Queue) admit(ctx context.Context) error {
	if q.maxBacklog == 0 {
		return nil
	}
	b := &q.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if (b.looked.IsZero() || b.known >= q.maxBacklog) && time.Since(b.looked) > lookAgain || time.Since(b.looked) > time.Second {
		query, args := q.bind(`SELECT count(*) FROM (
  SELECT seq FROM sonzaihook_queue WHERE namespace = @namespace AND queue = @queue AND state = 0 LIMIT @limit) AS waiting`,
			values{"limit": q.maxBacklog})
		if err := q.store.db.QueryRowContext(ctx, query, args...).Scan(&b.known); err != nil {
			return q.store.explain(ctx, "backlog", err)
		}
		b.looked = time.Now()
	}
	if b.known >= q.maxBacklog {
		return fmt.Errorf("%w: %d deliveries wait in %q", ErrQueueFull, b.known, q.name)
	}
	b.known++
	return nil
}
