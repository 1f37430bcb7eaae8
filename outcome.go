package sonzaihook

import (
	"errors"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/answer"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// Outcome is what became of one delivery: what the platform is told, and what
// only the log and the observer may know.
type Outcome struct {
	// Status is the HTTP status of the answer.
	Status int
	// Code is the constant word in the answer, one of the Code constants.
	Code string
	// Type is the event type; empty unless the delivery was authentic.
	Type EventType
	// DeliveryID is the identity; empty unless the delivery was authentic and
	// could be decoded.
	DeliveryID string
	// Project is the project of the delivery; empty for the tenant's, and unless
	// the delivery was authentic.
	Project string
	// SignedAt is the time in the signature, also of a refused delivery whose
	// signature could be read, which is then only what the sender claims; else zero.
	SignedAt time.Time
	// Retiring says that the delivery was verified by a secret that a rotation
	// has replaced and whose grace is not over.
	Retiring bool
	// Source says how the delivery got here.
	Source Source
	// Duration is the time from the first look at the delivery to the answer.
	Duration time.Duration
	// RetryAfter is the wait that the answer asks for; zero where it asks none.
	RetryAfter time.Duration
	// Kept says that the functions of [Receiver.OnDeadLetter] have kept the delivery,
	// so that a final refusal loses nothing.
	Kept bool
	// Err says why the delivery was not processed; nil where it was. It is never
	// part of the answer.
	Err error

	row *answer.Row
}

// The codes that an answer can have. Under the platform's retry rule (observed)
// it tries again on 5xx, and 2xx and 4xx are final.
const (
	CodeProcessed            = "processed"              // 200: the callbacks are done
	CodeDuplicate            = "duplicate"              // 200: a copy was handled before
	CodeIgnored              = "ignored"                // 200: no callback, or Ignore
	CodeQueued               = "queued"                 // 202: Queued, or WithHandOff
	CodeUndecodable          = "undecodable"            // 400: authentic, but not a JSON object with a type
	CodeUnauthorized         = "unauthorized"           // 401: one answer for all reasons
	CodeMethodNotAllowed     = "method_not_allowed"     // 405: not POST
	CodeBodyTooLarge         = "body_too_large"         // 413: longer than WithMaxBody
	CodeUnsupportedMediaType = "unsupported_media_type" // 415: not JSON, or encoded
	CodeInvalid              = "invalid"                // 422: the validator refused it
	CodeRejected             = "rejected"               // 422: Permanent
	CodeFailed               = "failed"                 // 500: a callback returned an error or ran out of time
	CodePanicked             = "panicked"               // 500: a callback panicked
	CodeBodyConsumed         = "body_consumed"          // 500: something read the body before us
	CodeInFlight             = "in_flight"              // 503: a copy is running right now
	CodeStoreUnavailable     = "store_unavailable"      // 503: the claim failed or hung
	CodeQueueUnavailable     = "queue_unavailable"      // 503: WithHandOff returned an error
	CodeShuttingDown         = "shutting_down"          // 503: Shutdown was called
	CodeOverloaded           = "overloaded"             // 503: WithMaxInFlight deliveries are running
	CodeBodyUnreadable       = "body_unreadable"        // 503: the connection broke
	CodeRetryLater           = "retry_later"            // 503: RetryAfter, or a new secret is under way
)

// answers are the rows of the table, in its order.
var answers answer.Table

var (
	processed            = answers.Add(http.StatusOK, CodeProcessed, 0)
	duplicate            = answers.Add(http.StatusOK, CodeDuplicate, 0)
	ignored              = answers.Add(http.StatusOK, CodeIgnored, 0)
	queued               = answers.Add(http.StatusAccepted, CodeQueued, 0)
	malformedBody        = answers.Add(http.StatusBadRequest, CodeUndecodable, 0)
	unauthorized         = answers.Add(http.StatusUnauthorized, CodeUnauthorized, 0)
	methodNotAllowed     = answers.Add(http.StatusMethodNotAllowed, CodeMethodNotAllowed, 0)
	bodyTooLarge         = answers.Add(http.StatusRequestEntityTooLarge, CodeBodyTooLarge, 0)
	unsupportedMediaType = answers.Add(http.StatusUnsupportedMediaType, CodeUnsupportedMediaType, 0)
	invalid              = answers.Add(http.StatusUnprocessableEntity, CodeInvalid, 0)
	rejected             = answers.Add(http.StatusUnprocessableEntity, CodeRejected, 0)
	failed               = answers.Add(http.StatusInternalServerError, CodeFailed, 0)
	panicked             = answers.Add(http.StatusInternalServerError, CodePanicked, 0)
	bodyConsumed         = answers.Add(http.StatusInternalServerError, CodeBodyConsumed, 0)
	inFlight             = answers.Add(http.StatusServiceUnavailable, CodeInFlight, 5*time.Second)
	storeUnavailable     = answers.Add(http.StatusServiceUnavailable, CodeStoreUnavailable, 5*time.Second)
	queueUnavailable     = answers.Add(http.StatusServiceUnavailable, CodeQueueUnavailable, 5*time.Second)
	shuttingDown         = answers.Add(http.StatusServiceUnavailable, CodeShuttingDown, 5*time.Second)
	overloaded           = answers.Add(http.StatusServiceUnavailable, CodeOverloaded, time.Second)
	bodyUnreadable       = answers.Add(http.StatusServiceUnavailable, CodeBodyUnreadable, time.Second)
	retryLater           = answers.Add(http.StatusServiceUnavailable, CodeRetryLater, time.Second)
)

// reasons says which answer an error gets, the more particular error first. What
// is not in it is the user's own error.
var reasons = []struct {
	err error
	row *answer.Row
}{
	{ErrMissingSignature, unauthorized},
	{ErrMalformedSignature, unauthorized},
	{ErrSignatureMismatch, unauthorized},
	{ErrTimestampOutsideTolerance, unauthorized},
	{ErrSecretOfOtherType, unauthorized},
	{ErrWrongAuthorization, unauthorized},
	{ErrSecretAwaited, retryLater},
	{ErrSecretSource, retryLater},
	{ErrMethodNotAllowed, methodNotAllowed},
	{ErrBodyTooLarge, bodyTooLarge},
	{ErrUnsupportedMediaType, unsupportedMediaType},
	{ErrBodyConsumed, bodyConsumed},
	{ErrBodyUnreadable, bodyUnreadable},
	{ErrUndecodable, malformedBody},
	{ErrMisfit, rejected},
	{ErrInvalid, invalid},
	{ErrPanicked, panicked},
	{ErrInFlight, inFlight},
	{ErrStoreUnavailable, storeUnavailable},
	{ErrQueueUnavailable, queueUnavailable},
	{ErrShuttingDown, shuttingDown},
	{ErrOverloaded, overloaded},
}

// errorOutcome returns the outcome for an error of the receiver's. It runs no code
// of the user's: what may hold an error of the user's was made by usercode.Because.
func errorOutcome(err error) Outcome { return outcomeOf(answerFor(err), err) }

func answerFor(err error) *answer.Row {
	known := usercode.Reason(err)
	for _, reason := range reasons {
		if errors.Is(known, reason.err) {
			return reason.row
		}
	}
	return failed
}

// Refusal returns the outcome for an error of [Receiver.Verify].
func Refusal(err error) (out Outcome) {
	defer func() {
		if v := recover(); v != nil {
			out = outcomeOf(panicked, usercode.Recovered(v))
		}
	}()
	return errorOutcome(err)
}

func outcomeOf(row *answer.Row, err error) Outcome {
	return Outcome{Status: row.Status, Code: row.Code, RetryAfter: row.After, Err: err, row: row}
}

// ending is how a run ended: what an outcome of it has that the inbound has not. It is
// small, because what the goroutine of a run needs beyond its first 2 KB of stack is
// copied for every delivery.
type ending struct {
	row   *answer.Row
	after time.Duration
	err   error
	kept  bool
}

func endingOf(row *answer.Row, err error) ending {
	return ending{row: row, after: row.After, err: err}
}

func (e *ending) outcome() Outcome {
	out := outcomeOf(e.row, e.err)
	out.RetryAfter, out.Kept = e.after, e.kept
	return out
}

// Retry reports whether the delivery should be tried again, and the shortest wait
// before that. It is what a queue's worker does with an outcome of Dispatch: an
// outcome of 5xx is tried again, everything else is over.
func (o Outcome) Retry() (after time.Duration, again bool) {
	if o.Status < http.StatusInternalServerError {
		return 0, false
	}
	return o.RetryAfter, true
}

// Respond writes the answer: the status, the headers and the constant body. From
// 400 on the body is a problem document (RFC 9457) with the code as a member.
func (o Outcome) Respond(w http.ResponseWriter) { answer.Write(w, o.Status, o.RetryAfter, o.Body()) }

// Body returns the body of the answer. It is constant for each code and must
// not be changed. It is nil for a code that is none of the constants.
func (o Outcome) Body() []byte {
	if o.row != nil {
		return o.row.Body
	}
	return answers.Body(o.Code)
}
