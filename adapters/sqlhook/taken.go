package sqlhook

import (
	"context"
	"encoding/json"
	"fmt"
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
	id         string
	token      []byte
	meta, body []byte
	attempt    int   // this one included
	enqueued   int64 // microseconds since 1970
	age        time.Duration
	reason     string // why the last attempt failed
	granted    bool   // the key was claimed when the row was taken
	suspect    bool   // it was taken by itself

	over func() // the callbacks are over and "done" is to be written
	free func() // the row is to be settled: the next delivery may begin

	left atomic.Bool // the row is gone, in the transaction that made its key done

	mu      sync.Mutex
	renewed bool // or is being renewed
	riding  bool // or has gone
	// The key may have been claimed when the row was taken, under the row's token,
	// until claimed; the zero time says that it was not. The claim is the receiver's
	// when it has asked for it, with the token holder.
	claimed time.Time
	holder  string
	settled bool
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

// ride reports whether the row may be deleted in the transaction of the callbacks.
// Not if its lease was renewed meanwhile: a transaction that began before would
// fail under a strict isolation level. The worker deletes it afterwards then.
func (t *taken) ride() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.riding = !t.renewed
	return t.riding
}

func (t *taken) rides() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.riding
}

// renews reports whether the lease may be renewed.
func (t *taken) renews() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewed = !t.riding
	return t.renewed
}

// claim gives the receiver the claim that was made when the row was taken, if there
// is one for the key and nobody else has it. It returns the token that the table of
// leases has for the receiver's, and whether the claim holds for the length of
// lease.
func (t *taken) claim(s *Store, key, token string, lease time.Duration) (held string, holds bool) {
	if t == nil || t.queue.store != s {
		return token, false
	}
	t.queue.claimLease.Store(int64(lease))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holder == "" && key == t.id && !t.claimed.IsZero() && !t.settled {
		t.holder = token
	}
	if t.holder != token || key != t.id {
		return token, false
	}
	return string(t.token), time.Until(t.claimed) >= lease
}

// tokenOf returns the token that the table of leases has for a receiver's.
func (t *taken) tokenOf(key, token string) string {
	if t == nil {
		return token
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holder == token && key == t.id {
		return string(t.token)
	}
	return token
}

// commit makes the row's key done and deletes the row, for the holder of the key's
// lease. It reports whether it did: not where CommitTx has, or has tried.
func (t *taken) commit(ctx context.Context, s *Store, key, token string, keep time.Duration) (bool, error) {
	if t == nil || t.queue.store != s || key != t.id || t.rides() {
		return false, nil
	}
	t.over()
	left, err := t.queue.commit(ctx, t, token, keep)
	if left {
		t.left.Store(true)
	}
	return left, err
}

// unused reports whether there is a claim for which the receiver has not asked, and
// sees to it that it no longer can.
func (t *taken) unused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settled = true
	return t.holder == "" && !t.claimed.IsZero()
}

// delivery returns what was enqueued, as a broker's delivery.
func (t *taken) delivery() (*sonzaihook.Delivery, error) {
	m, err := readMeta(t.meta)
	if err != nil {
		return nil, err
	}
	d := &sonzaihook.Delivery{
		// The key under which the row was put in and claimed.
		ID: t.id, Type: sonzaihook.EventType(m.Type), Name: string(m.Name), Project: string(m.Project),
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
