package once

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Calls to the store, each bounded by its context. A store is the user's code: it
// may panic, and its errors may.

// storeContext returns the context of one call, and what ends it. A store in memory
// never looks at it.
func (a *Attempt) storeContext(parent context.Context) (ctx context.Context, end func()) {
	if a.r.Local {
		return context.Background(), func() {}
	}
	c := &Context{}
	c.init(parent, time.Now(), StoreTimeout, ErrStoreUnavailable, nil)
	return c, func() { c.End(context.Canceled) }
}

func (a *Attempt) callClaim(parent context.Context) (state State, err error) {
	defer guard("Claim", &err)
	ctx, end := a.storeContext(parent)
	defer end()
	return a.r.Store.Claim(ctx, a.key, a.token, a.r.Lease)
}

func (a *Attempt) callCommit(parent context.Context) (err error) {
	defer guard("Commit", &err)
	ctx, end := a.storeContext(parent)
	defer end()
	return a.r.Store.Commit(ctx, a.key, a.token, a.r.Keep)
}

func (a *Attempt) callRelease(parent context.Context) (err error) {
	defer guard("Release", &err)
	ctx, end := a.storeContext(parent)
	defer end()
	return a.r.Store.Release(ctx, a.key, a.token)
}

// guard is deferred round a call to the store. It turns a panic into an error, and
// an error of the store into one whose methods run no code of the store.
func guard(call string, err *error) {
	if v := recover(); v != nil {
		*err = &storeError{text: fmt.Sprintf("%s panicked: %s", call, PanicText(v))}
		return
	}
	if *err != nil {
		*err = safely(call, *err)
	}
}

// storeError is an error of a store whose text was read and which was compared with
// the known errors before, because its methods may panic.
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
			safe = &storeError{text: fmt.Sprintf("%s returned an error that panics: %s", call, PanicText(v))}
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

// PanicText returns the text of a recovered value, whose own methods may panic.
func PanicText(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a value of type %T", v)
		}
	}()
	return fmt.Sprint(v)
}
