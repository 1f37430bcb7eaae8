package sqlhook

import (
	"context"
	"time"
)

// TakeAndGiveBack takes up to n rows with their keys, as a worker does whose receiver
// claims for the length of lease, gives them back without having run them, and
// returns how many keys it had claimed.
func (q *Queue) TakeAndGiveBack(ctx context.Context, n int, lease time.Duration) (claimed int, err error) {
	q.claimLease.Store(int64(lease))
	rows, err := q.take(ctx, n, span{}, false)
	w := &workers{q: q}
	for _, t := range rows {
		if !t.claimed.IsZero() {
			claimed++
		}
		w.postpone(ctx, t, 0, false, "")
	}
	return claimed, err
}
