package once

import (
	"context"
	"fmt"
	"time"
)

// Announcements let processes that share a store tell each other of something that
// takes minutes. A store keeps no values, so an announcement is a key that is claimed.
// All processes announce with one token, and look by claiming the key with another and
// releasing it at once: only an announcement makes a look fail. It is safe for
// concurrent use. Without claims it announces nothing.
type Announcements struct {
	Claims *Claims
	// Settle is how long it takes until every process has looked.
	Settle time.Duration
}

const (
	tokenAnnounces = "announces"
	tokenLooks     = "looks"

	// announced is how long an announcement lasts after the last call of Announce or
	// Extend.
	announced = 5 * time.Minute
	// lookLease ends the look of a process that is killed while it looks.
	lookLease = 2 * time.Second
	// announceTries is how often an announcement is tried, a pause apart. A look holds
	// the key for no longer than its lease.
	announceTries = 10
	announcePause = 500 * time.Millisecond
)

// Look reports whether a process has announced the key.
func (a Announcements) Look(ctx context.Context, key string) (bool, error) {
	state, err := a.Claims.Mark(ctx, key, tokenLooks, lookLease)
	if err != nil {
		return false, err
	}
	if state == Claimed {
		a.Claims.Unmark(ctx, key, tokenLooks)
	}
	return state == InFlight, nil
}

// Announce announces the key, and returns when each process that looks has seen it.
// If the store does not answer it returns an error that wraps ErrStoreUnavailable.
func (a Announcements) Announce(ctx context.Context, key string) error {
	if a.Claims == nil {
		return nil
	}
	for try := 1; ; try++ {
		state, err := a.Claims.Mark(ctx, key, tokenAnnounces, announced)
		if err == nil && state == Claimed {
			return Sleep(ctx, a.Settle)
		}
		if try == announceTries {
			if err == nil {
				err = fmt.Errorf("%w: the key of the announcement stayed held", ErrStoreUnavailable)
			}
			return err
		}
		if err := Sleep(ctx, announcePause); err != nil {
			return err
		}
	}
}

// Extend lets an announcement last as long as if it were made now. If the store fails,
// it ends when it would have ended before.
func (a Announcements) Extend(ctx context.Context, key string) {
	if a.Claims != nil {
		_, _ = a.Claims.Mark(ctx, key, tokenAnnounces, announced)
	}
}

// Sleep returns nil when d has passed, or the cause of ctx if that ends before.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
