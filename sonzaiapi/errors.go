package sonzaiapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
)

// The kinds of an [*Error], matched with [errors.Is].
var (
	// ErrInvalidRequest: the call is wrong; the client or the platform (400, 413,
	// 422 and the other 4xx without a kind) refused it.
	ErrInvalidRequest = errors.New("sonzaiapi: invalid request")
	// ErrUnauthorized: 401, the API key is absent, wrong or revoked.
	ErrUnauthorized = errors.New("sonzaiapi: unauthorized")
	// ErrForbidden: 403, the API key may not do this.
	ErrForbidden = errors.New("sonzaiapi: forbidden")
	// ErrNotFound: 404, no such project, registration or notification.
	ErrNotFound = errors.New("sonzaiapi: not found")
	// ErrConflict: 409, another change came first.
	ErrConflict = errors.New("sonzaiapi: conflict")
	// ErrRateLimited: 429; [Error.RetryAfter] says how long to wait, if known.
	ErrRateLimited = errors.New("sonzaiapi: rate limited")
	// ErrUnavailable: a 5xx, or no answer at all. For PUT and POST it is not
	// known whether the platform carried out the call.
	ErrUnavailable = errors.New("sonzaiapi: platform unavailable")
	// ErrNotJSON: the answer is not the JSON that the call has, often because
	// the base URL leads to a web page.
	ErrNotJSON = errors.New("sonzaiapi: answer is not JSON")
	// ErrRedirect: a 3xx. It was not followed, so the key went nowhere else.
	ErrRedirect = errors.New("sonzaiapi: redirected")
	// ErrAnswerTooLarge: the answer is longer than [WithMaxAnswer] allows.
	ErrAnswerTooLarge = errors.New("sonzaiapi: answer too large")
	// ErrRefused: the platform answered 200 with "success": false.
	ErrRefused = errors.New("sonzaiapi: refused")
)

// What [New] reports.
var (
	// ErrNoAPIKey: there is no API key, or it cannot be one.
	ErrNoAPIKey = errors.New("sonzaiapi: no API key")
	// ErrInvalidOption: an option was given a value that it cannot have.
	ErrInvalidOption = errors.New("sonzaiapi: invalid option")
)

// Error is a call that failed. Its text is one line that says what to do; it
// never holds the API key. Match its kind, or the error of a context, with
// [errors.Is].
type Error struct {
	// Method and Path are the call, below the base URL, query left out.
	Method, Path string
	// Status is the HTTP status, or 0 when no answer came.
	Status int
	// Type, Title, Detail and Instance are the members of the problem document
	// (RFC 9457), if there was one.
	Type, Title, Detail, Instance string
	// Errors are the individual faults of a request, if the platform named them.
	Errors []ErrorDetail
	// RetryAfter is the wait that the platform asked for, or 0.
	RetryAfter time.Duration

	kinds []error
	cause error
}

// ErrorDetail is one fault of a request. The value that the platform repeats with
// it is not kept, because it may be a secret.
type ErrorDetail struct {
	// Location is where the fault lies, such as "body.webhook_url".
	Location string `json:"location"`
	// Message says what is wrong there.
	Message string `json:"message"`
}

// Error returns one line: the call, what came of it, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "sonzaiapi: %s %s: ", e.Method, e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d %s: ", e.Status, http.StatusText(e.Status))
	}
	if e.Detail != "" {
		b.WriteString(e.Detail + ": ")
	}
	for _, fault := range e.Errors {
		fmt.Fprintf(&b, "%s: %s: ", fault.Location, fault.Message)
	}
	if e.cause != nil {
		b.WriteString(e.cause.Error() + ": ")
	}
	b.WriteString(e.advice())
	return oneLine(strings.TrimRight(b.String(), ": "))
}

// advice is what the reader can do about the kind.
func (e *Error) advice() string {
	switch {
	case errors.Is(e, ErrUnauthorized):
		return "check the API key (" + EnvAPIKey + ")"
	case errors.Is(e, ErrForbidden):
		return "use an API key that may do this"
	case errors.Is(e, ErrRedirect):
		return "the platform does not redirect: check the base URL (" + EnvBaseURL + ")"
	case errors.Is(e, ErrNotJSON):
		return "the answer is not JSON: check the base URL (" + EnvBaseURL + ")"
	case errors.Is(e, ErrNotFound) && strings.HasPrefix(e.Path, "/projects/"):
		return "check the project id and the rest of the path"
	case errors.Is(e, ErrRateLimited) && e.RetryAfter > 0:
		return "try again in " + e.RetryAfter.String()
	case errors.Is(e, ErrRateLimited):
		return "try again later"
	case errors.Is(e, ErrAnswerTooLarge):
		return "ask for fewer entries or raise WithMaxAnswer"
	case errors.Is(e, ErrUnavailable) && e.Status == 0:
		return "no answer: check the network and the base URL (" + EnvBaseURL + ")"
	}
	return ""
}

// Unwrap returns the kinds and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return e.kinds
	}
	return append([]error{e.cause}, e.kinds...)
}

// As lets the backoff library find the wait that the platform asked for.
func (e *Error) As(target any) bool {
	after, ok := target.(**backoff.RetryAfterError)
	if !ok || e.RetryAfter <= 0 {
		return false
	}
	*after = &backoff.RetryAfterError{Duration: e.RetryAfter}
	return true
}

// kindOf maps a status to its kind.
func kindOf(status int) error {
	switch status {
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	case http.StatusConflict:
		return ErrConflict
	case http.StatusTooManyRequests:
		return ErrRateLimited
	}
	switch {
	case status >= 500:
		return ErrUnavailable
	case status >= 400:
		return ErrInvalidRequest
	}
	return ErrRedirect
}

// maxLine bounds what of a foreign text goes into an error.
const maxLine = 500

// oneLine makes a foreign text safe to print: control and format characters (such as
// those that change the direction of writing) and line separators become spaces, and
// what is not UTF-8 becomes U+FFFD.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxLine {
		return string(runes[:maxLine]) + "…"
	}
	return text
}
