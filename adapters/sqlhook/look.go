package sqlhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/internal/sqlclaim"
)

// ErrNoItem means that a queue has no delivery of an identity.
var ErrNoItem = errors.New("sqlhook: no such delivery in the queue")

// Item describes a delivery in a queue.
type Item struct {
	Seq        int64 // the order in which they were enqueued
	ID         string
	Type       sonzaihook.EventType
	Name       string
	Project    string
	Source     sonzaihook.Source // how it reached the receiver
	SignedAt   time.Time         // zero where it is not known
	EnqueuedAt time.Time
	Due        time.Time // when it is tried next; if dead, when it is deleted
	Attempts   int
	Running    bool // a worker has taken it; Due is when its lease ends
	Dead       bool
	Reason     string // why the last attempt failed, or why it is dead
	Size       int    // of the body, in bytes
	Body       []byte // set by Show alone; personal data
}

// String names the item without its content.
func (i Item) String() string { return string(i.Type) + " " + i.ID }

// GoString is String, so that no verb prints the body by accident.
func (i Item) GoString() string { return i.String() }

// Stats is the number of deliveries in a queue, by state.
type Stats struct {
	Waiting int // not dead, and not running
	Due     int // those among Waiting that are due
	Running int
	Dead    int
	// Oldest is how long the oldest delivery that is not dead has been in the queue;
	// zero if there is none.
	Oldest time.Duration
}

// ListOptions say which deliveries [Queue.List] returns.
type ListOptions struct {
	Dead  bool  // the dead ones instead of the others
	After int64 // only those with a greater Seq
	Limit int   // 100 if it is 0
}

// Queues returns the names of the queues in the store's namespace that hold
// anything, sorted.
func (s *Store) Queues(ctx context.Context) ([]string, error) {
	q := &Queue{store: s}
	query, args := q.bind("SELECT DISTINCT queue FROM sonzaihook_queue WHERE namespace = @namespace ORDER BY queue", nil)
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.explain(ctx, "queues", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name []byte
		if err := rows.Scan(&name); err != nil {
			return nil, s.explain(ctx, "queues", err)
		}
		names = append(names, string(name))
	}
	return names, s.explain(ctx, "queues", rows.Err())
}

// Stats counts the deliveries of a queue.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	if q.err != nil {
		return Stats{}, q.err
	}
	var s Stats
	var oldest sql.NullInt64
	query, args := q.bind(`
SELECT
  coalesce(sum(CASE WHEN state = 0 AND (token = @none OR due <= {now}) THEN 1 ELSE 0 END), 0),
  coalesce(sum(CASE WHEN state = 0 AND due <= {now} THEN 1 ELSE 0 END), 0),
  coalesce(sum(CASE WHEN state = 0 AND token <> @none AND due > {now} THEN 1 ELSE 0 END), 0),
  coalesce(sum(CASE WHEN state = 1 THEN 1 ELSE 0 END), 0),
  max(CASE WHEN state = 0 THEN {now} - enqueued END)
FROM sonzaihook_queue WHERE namespace = @namespace AND queue = @queue`, values{"none": []byte{}})
	err := q.store.db.QueryRowContext(ctx, query, args...).Scan(&s.Waiting, &s.Due, &s.Running, &s.Dead, &oldest)
	s.Oldest = time.Duration(oldest.Int64) * time.Microsecond
	return s, q.store.explain(ctx, "stats", err)
}

const itemColumns = `seq, meta, enqueued, due, attempt, CASE WHEN token = @none OR due <= {now} THEN 0 ELSE 1 END, state, reason, length(body)`

// List returns deliveries without their bodies, in the order of their Seq.
func (q *Queue) List(ctx context.Context, o ListOptions) ([]Item, error) {
	if q.err != nil {
		return nil, q.err
	}
	state := 0
	if o.Dead {
		state = 1
	}
	if o.Limit <= 0 {
		o.Limit = 100
	}
	query, args := q.bind("SELECT "+itemColumns+` FROM sonzaihook_queue
WHERE namespace = @namespace AND queue = @queue AND state = @state AND seq > @after ORDER BY seq LIMIT @limit`,
		values{"none": []byte{}, "state": state, "after": o.After, "limit": o.Limit})
	rows, err := q.store.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, q.store.explain(ctx, "list", err)
	}
	defer rows.Close()
	var items []Item
	for rows.Next() {
		item, err := scanItem(rows)
		if err != nil {
			return nil, q.store.explain(ctx, "list", err)
		}
		items = append(items, item)
	}
	return items, q.store.explain(ctx, "list", rows.Err())
}

// Show returns a delivery with its body. The error wraps [ErrNoItem] if there is
// none.
func (q *Queue) Show(ctx context.Context, id string) (Item, error) {
	if q.err != nil {
		return Item{}, q.err
	}
	query, args := q.bind("SELECT "+itemColumns+", body FROM sonzaihook_queue WHERE namespace = @namespace AND queue = @queue AND id = @id",
		values{"none": []byte{}, "id": sqlclaim.Bytes(id)})
	var body []byte
	item, err := scanItem(q.store.db.QueryRowContext(ctx, query, args...), &body)
	if errors.Is(err, sql.ErrNoRows) {
		return Item{}, fmt.Errorf("%w: %q", ErrNoItem, id)
	}
	item.Body = body
	return item, q.store.explain(ctx, "show", err)
}

func scanItem(row interface{ Scan(...any) error }, more ...any) (Item, error) {
	var i Item
	var encoded []byte
	var enqueued, due int64
	var running, state int
	err := row.Scan(append([]any{&i.Seq, &encoded, &enqueued, &due, &i.Attempts, &running, &state, &i.Reason, &i.Size}, more...)...)
	if err != nil {
		return i, err
	}
	i.EnqueuedAt, i.Due = time.UnixMicro(enqueued), time.UnixMicro(due)
	i.Running, i.Dead = running == 1 && state == 0, state == 1
	m, err := readMeta(encoded)
	if err != nil {
		return i, err
	}
	i.ID, i.Type, i.Name, i.Project = string(m.ID), sonzaihook.EventType(m.Type), string(m.Name), string(m.Project)
	i.Source = sonzaihook.Source(m.Source)
	if m.SignedAt != 0 {
		i.SignedAt = time.Unix(m.SignedAt, 0)
	}
	return i, nil
}

// Retry makes a delivery due at once. A dead delivery starts again with all its
// attempts; a waiting one keeps the number of those it had. A running one is not
// changed. The error wraps [ErrNoItem] if no waiting or dead delivery has that ID.
func (q *Queue) Retry(ctx context.Context, id string) error {
	n, err := q.change(ctx, "retry", retryText+" AND id = @id", values{"id": sqlclaim.Bytes(id), "none": []byte{}})
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: %q", ErrNoItem, id)
	}
	q.notify()
	return err
}

// RetryDead makes all dead deliveries of a queue due at once, with all their attempts,
// and returns how many there were.
func (q *Queue) RetryDead(ctx context.Context) (int64, error) {
	n, err := q.change(ctx, "retry", retryText+" AND state = 1", values{"none": []byte{}})
	q.notify()
	return n, err
}

// The assignments of MySQL take effect in their order, so the state comes last.
const retryText = `
UPDATE sonzaihook_queue SET
  due = {now}, attempt = CASE WHEN state = 1 THEN 0 ELSE attempt END,
  enqueued = CASE WHEN state = 1 THEN {now} ELSE enqueued END, token = @none, state = 0
WHERE namespace = @namespace AND queue = @queue AND (token = @none OR due <= {now})`

// Drop deletes a delivery that is dead or waiting. A running one is not changed. The
// error wraps [ErrNoItem] if no waiting or dead delivery has that ID.
func (q *Queue) Drop(ctx context.Context, id string) error {
	n, err := q.change(ctx, "drop", "DELETE FROM sonzaihook_queue WHERE namespace = @namespace AND queue = @queue AND (token = @none OR due <= {now}) AND id = @id",
		values{"id": sqlclaim.Bytes(id), "none": []byte{}})
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: %q", ErrNoItem, id)
	}
	return err
}

func (q *Queue) change(ctx context.Context, what, text string, v values) (int64, error) {
	if q.err != nil {
		return 0, q.err
	}
	query, args := q.bind(text, v)
	var changed int64
	err := q.store.write(ctx, what, func(ctx context.Context, on querier) error {
		result, err := on.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		changed, err = result.RowsAffected()
		return err
	})
	if err != nil { // another may still be making this call
		return 0, err
	}
	return changed, nil
}
