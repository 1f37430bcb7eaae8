package sonzaihook

import (
	"errors"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// verdict is an error by which a callback chooses the answer.
type verdict struct {
	answer *answer
	err    error
	after  time.Duration
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// settles reports whether the delivery counts as handled.
func (v *verdict) settles() bool { return v.answer.status < http.StatusMultipleChoices }

// Permanent marks an error that no retry will mend. The answer is 422, the
// platform stops, and [Receiver.OnDeadLetter] is asked first.
func Permanent(err error) error {
	return &verdict{answer: rejected, err: orElse(err, "sonzaihook: rejected by a callback")}
}

// RetryAfter marks an error that a retry after d may mend. The answer is 503
// with a Retry-After of d in whole seconds, rounded up, at least one. Whether the
// platform honours the header is not known.
func RetryAfter(err error, d time.Duration) error {
	return &verdict{answer: retryLater, err: orElse(err, "sonzaihook: retry later"), after: max(d, time.Second)}
}

// Ignore ends a run without an error: the answer is 200 and the delivery counts
// as handled. The reason goes to the observer and, at debug level, to the log. It
// does not hide an error that it is joined with.
func Ignore(reason string) error {
	return &verdict{answer: ignored, err: errors.New("sonzaihook: ignored: " + reason)}
}

// Queued ends a run without an error: a broker has confirmed the delivery and
// other code than this receiver's callbacks will handle it. The answer is 202 and it
// counts as handled.
//
// That includes a later Dispatch of the same delivery to this receiver, or to
// another on the same store: it is a duplicate, and no callback runs. To run the
// callbacks of a receiver behind a queue, use [WithHandOff].
func Queued() error { return &verdict{answer: queued, err: errQueued} }

var errQueued = errors.New("sonzaihook: queued")

func orElse(err error, text string) error {
	if err == nil {
		return errors.New(text)
	}
	return err
}

// callbackEnding returns the ending for what a run of the callbacks returned. Only
// a verdict, a panic and a timeout mean something here: a user's error that
// happens to wrap, say, ErrUndecodable is still an error to be retried.
//
// An error whose methods panic is answered like a callback that panics.
func callbackEnding(err error) (end ending) {
	if err == nil {
		return processed.ending(nil)
	}
	defer func() {
		if v := recover(); v != nil {
			end = panicked.ending(usercode.Recovered(v))
		}
	}()
	_ = err.Error()
	var p *usercode.PanicError
	if errors.As(err, &p) {
		return panicked.ending(err)
	}
	var v *verdict
	if !errors.As(err, &v) || v.settles() && joined(err) {
		return failed.ending(err)
	}
	end = v.answer.ending(err)
	if v.after > 0 {
		end.after = v.after
	}
	return end
}

// joined reports whether an error has others beside it, as after errors.Join: then
// Ignore and Queued do not hide them.
func joined(err error) bool {
	for err != nil {
		switch e := err.(type) { //nolint:errorlint // the tree itself is looked at
		case *verdict:
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

// allSettle reports whether each error is, or wraps, Ignore or Queued alone.
func allSettle(errs []error) bool {
	for _, err := range errs {
		var v *verdict
		if err != nil && (!errors.As(err, &v) || !v.settles() || joined(err)) {
			return false
		}
	}
	return true
}

// errGoexit is the error of user code that neither returns nor panics.
var errGoexit = errors.New("sonzaihook: callback ended its goroutine")
