package sqlclaim

import (
	"context"
	"math/rand/v2"
	"time"
)

// The pauses between two tries of a statement that met a deadlock, a failed
// serialization or a busy file.
const (
	shortestPause = time.Millisecond
	longestPause  = 20 * time.Millisecond
)

// Retry calls until the database does not ask for the same once more, or the
// context ends. Then it returns what the database asked, also where the context has
// cut the last call short: that says why there was no time left.
func Retry(ctx context.Context, call func() error) error {
	var asked error
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := call()
		if kind := KindOf(err); kind != Again && kind != Busy {
			if err != nil && ctx.Err() != nil && asked != nil {
				return asked
			}
			return err
		}
		asked = err
		timer := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// Early returns a context that ends a little before ctx does: who waits for a call
// stops waiting at the end of ctx, and would not learn why it failed.
func Early(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	left := time.Until(deadline)
	return context.WithDeadline(ctx, deadline.Add(-min(left/10, 100*time.Millisecond)))
}
