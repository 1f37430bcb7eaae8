package once

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// State is the answer of a store to a claim.
type State int

// The states.
const (
	Claimed State = iota + 1
	InFlight
	Done
)

// Store is the part of the root's Store that a Runner needs; see its documentation.
// Any method may panic or hang.
type Store interface {
	Claim(ctx context.Context, key, token string, lease time.Duration) (State, error)
	Commit(ctx context.Context, key, token string, keep time.Duration) error
	Release(ctx context.Context, key, token string) error
}

const (
	// StoreTimeout bounds each call to a store.
	StoreTimeout = time.Second
	// Forever is longer than any limit, and may be added to a time.
	Forever = time.Duration(1 << 61)
)

// saturated adds without overflowing.
func saturated(a, b time.Duration) time.Duration { return min(a, Forever) + min(b, Forever) }

// Claims is a store and how it is used. Its calls are bounded in time, and an error
// of one runs no code of the store.
type Claims struct {
	Store Store
	// Local says that the store is in this process's memory: its calls neither wait
	// nor fail for long.
	Local bool
	// Lease is how long a claim holds if it is not renewed, Keep how long a key is
	// known as done.
	Lease, Keep time.Duration
}

// context returns the context of one call and its cancel function. A store in memory
// does not use it.
func (c *Claims) context(parent context.Context) (ctx context.Context, end func()) {
	if c.Local {
		return context.Background(), func() {}
	}
	std := &Context{}
	std.init(parent, time.Now(), StoreTimeout, ErrStoreUnavailable, nil)
	return std, func() { std.End(context.Canceled) }
}

func (c *Claims) claim(parent context.Context, key, token string) (State, error) {
	return c.claimFor(parent, key, token, c.Lease)
}

func (c *Claims) claimFor(parent context.Context, key, token string, lease time.Duration) (state State, err error) {
	defer guard("Claim", &err)
	ctx, end := c.context(parent)
	defer end()
	return c.Store.Claim(ctx, key, token, lease)
}

func (c *Claims) commit(parent context.Context, key, token string) (err error) {
	defer guard("Commit", &err)
	ctx, end := c.context(parent)
	defer end()
	return c.Store.Commit(ctx, key, token, c.Keep)
}

func (c *Claims) release(parent context.Context, key, token string) (err error) {
	defer guard("Release", &err)
	ctx, end := c.context(parent)
	defer end()
	return c.Store.Release(ctx, key, token)
}

// guard is deferred around a call to the store. It turns a panic into an error, and
// an error of the store into one whose methods run no code of the store.
func guard(call string, err *error) {
	if v := recover(); v != nil {
		*err = &storeError{text: fmt.Sprintf("%s panicked: %s", call, usercode.PanicText(v))}
		return
	}
	if *err != nil {
		*err = safely(call, *err)
	}
}

// storeError is an error of a store. Its text was read, and it was compared with the
// known errors, when it was made, because the methods of the original may panic.
type storeError struct {
	text  string
	lost  bool  // it is ErrLeaseLost
	cause error // nil if its methods panic
}

func (e *storeError) Error() string { return e.text }
func (e *storeError) Unwrap() error { return e.cause }

func safely(call string, err error) (safe *storeError) {
	defer func() {
		if v := recover(); v != nil {
			safe = &storeError{text: fmt.Sprintf("%s returned an error that panics: %s", call, usercode.PanicText(v))}
		}
	}()
	return &storeError{text: err.Error(), lost: errors.Is(err, ErrLeaseLost), cause: err}
}

// isLost reports whether a call to the store returned ErrLeaseLost.
func isLost(err error) bool {
	e, ok := err.(*storeError) //nolint:errorlint // guard returns no other
	return ok && e.lost
}

// UnavailableError is the error of a claim that failed or took too long. It wraps
// ErrStoreUnavailable and the store's error.
type UnavailableError struct{ cause error }

func (e *UnavailableError) Error() string {
	return ErrStoreUnavailable.Error() + ": " + e.cause.Error()
}

// Unwrap returns the errors that it wraps.
func (e *UnavailableError) Unwrap() []error { return []error{ErrStoreUnavailable, e.cause} }
