package sonzaihook

import (
	"errors"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/answer"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// Permanent marks an error that no retry will mend. The answer is 422, the
// platform stops, and [Receiver.OnDeadLetter] is asked first.
func Permanent(err error) error {
	return &answer.Verdict{Row: rejected, Err: orElse(err, "sonzaihook: rejected by a callback")}
}

// RetryAfter marks an error that a retry after d may mend. The answer is 503
// with a Retry-After of d in whole seconds, rounded up, at least one. Whether the
// platform honours the header is not known.
func RetryAfter(err error, d time.Duration) error {
	return &answer.Verdict{Row: retryLater, Err: orElse(err, "sonzaihook: retry later"), After: max(d, time.Second)}
}

// Ignore ends a run without an error: the answer is 200 and the delivery counts
// as handled. The reason goes to the observer and, at debug level, to the log. It
// does not hide an error that it is joined with.
func Ignore(reason string) error {
	return &answer.Verdict{Row: ignored, Err: errors.New("sonzaihook: ignored: " + reason)}
}

// Queued ends a run without an error: a broker has confirmed the delivery and
// other code than this receiver's callbacks will handle it. The answer is 202 and it
// counts as handled.
//
// That includes a later Dispatch of the same delivery to this receiver, or to
// another on the same store: it is a duplicate, and no callback runs. To run the
// callbacks of a receiver behind a queue, use [WithHandOff].
func Queued() error { return &answer.Verdict{Row: queued, Err: errQueued} }

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
		return endingOf(processed, nil)
	}
	defer func() {
		if v := recover(); v != nil {
			end = endingOf(panicked, usercode.Recovered(v))
		}
	}()
	_ = err.Error()
	var p *usercode.PanicError
	if errors.As(err, &p) {
		return endingOf(panicked, err)
	}
	v := answer.VerdictOf(err)
	if v == nil {
		return endingOf(failed, err)
	}
	end = endingOf(v.Row, err)
	if v.After > 0 {
		end.after = v.After
	}
	return end
}

// errGoexit is the error of user code that neither returns nor panics.
var errGoexit = errors.New("sonzaihook: callback ended its goroutine")
