package once

import (
	"context"
	"time"
)

// Mark claims a key that belongs to no piece of work, for the length of lease. It
// returns what the store's Claim does, or an *UnavailableError. It waits for at most a
// second, even if the store ignores its context.
func (c *Claims) Mark(ctx context.Context, key, token string, lease time.Duration) (state State, err error) {
	answered := make(chan State, 1)
	err = bounded(ctx, func() error {
		state, err := c.claimFor(ctx, key, token, lease)
		answered <- state
		return err
	})
	if err != nil {
		return 0, err
	}
	return <-answered, nil
}

// Unmark releases a key that Mark has claimed. If that fails the lease ends the claim.
func (c *Claims) Unmark(ctx context.Context, key, token string) {
	_ = bounded(ctx, func() error { return c.release(ctx, key, token) })
}

// Probe claims and releases a key, and returns an *UnavailableError if the store
// fails or does not answer within a second.
func (r *Runner) Probe(ctx context.Context, key string) error {
	if r.Claims.Store == nil {
		return nil
	}
	token := r.newToken()
	return bounded(ctx, func() error {
		state, err := r.Claims.claim(ctx, key+"."+token, token)
		if err == nil && state == Claimed {
			err = r.Claims.release(ctx, key+"."+token, token)
		}
		return err
	})
}

// bounded makes calls to a store, and waits for them until ctx ends or a second has
// passed. Its error is an *UnavailableError.
func bounded(ctx context.Context, calls func() error) error {
	answered := make(chan error, 1)
	go func() { answered <- calls() }()
	timer := time.NewTimer(StoreTimeout)
	defer timer.Stop()
	var err error
	select {
	case err = <-answered:
	case <-timer.C:
		err = context.DeadlineExceeded
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return &UnavailableError{err}
	}
	return nil
}
