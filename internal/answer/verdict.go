package answer

import (
	"errors"
	"time"
)

// Verdict is an error by which a function chooses a row.
type Verdict struct {
	Row   *Row
	Err   error         // what it says and wraps; not nil
	After time.Duration // the Retry-After, if it is not the row's
}

// Error returns the text of Err.
func (v *Verdict) Error() string { return v.Err.Error() }

// Unwrap returns Err.
func (v *Verdict) Unwrap() error { return v.Err }

// VerdictOf returns the first verdict that err is or wraps, or nil. A verdict by which
// a delivery counts as handled does not hide an error that it is joined with: then it
// is nil, too. It calls the methods of err, which may panic.
func VerdictOf(err error) *Verdict {
	var v *Verdict
	if !errors.As(err, &v) || v.Row.Settled() && joined(err) {
		return nil
	}
	return v
}

// joined reports whether an error has others beside it, as after errors.Join, of which
// one is no verdict that settles.
func joined(err error) bool {
	for err != nil {
		switch e := err.(type) { //nolint:errorlint // the tree itself is looked at
		case *Verdict:
			return false
		case interface{ Unwrap() []error }:
			others := e.Unwrap()
			if len(others) != 1 {
				return !allSettle(others)
			}
			err = others[0]
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		default:
			return false
		}
	}
	return false
}

// allSettle reports whether each error is, or wraps, a verdict that settles.
func allSettle(errs []error) bool {
	for _, err := range errs {
		if err == nil {
			continue
		}
		if v := VerdictOf(err); v == nil || !v.Row.Settled() {
			return false
		}
	}
	return true
}
