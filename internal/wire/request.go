package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"

	"github.com/sonzaihook/sonzaihook/internal/usercode"
)

// ReadRequest reads the body of a request, of limit bytes at most. If pooled is not
// nil, body aliases it: clone body before calling pooled.Release, which must be called
// in any case. The error wraps ErrBodyTooLarge, ErrBodyConsumed or ErrBodyUnreadable.
func ReadRequest(req *http.Request, limit int64) (body []byte, pooled *Buffer, err error) {
	if req.ContentLength > limit {
		return nil, nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrBodyTooLarge, req.ContentLength, limit)
	}
	if req.Body == nil {
		return nil, nil, nil
	}
	body, pooled, err = Read(req.Body, limit+1, req.ContentLength)
	switch n := int64(len(body)); {
	case err != nil:
		err = unreadable(req.Body, err, n)
	case n > limit:
		err = fmt.Errorf("%w: more than the limit", ErrBodyTooLarge)
	case n < req.ContentLength, n == 0 && req.ContentLength < 0:
		err = consumed(req.Body, fmt.Sprintf("%d of %d bytes were left", n, req.ContentLength))
	}
	return body, pooled, err
}

func unreadable(body io.Reader, err error, n int64) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: more than a limit before the receiver", ErrBodyTooLarge)
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return consumed(body, "it was closed")
	}
	return usercode.Because(ErrBodyUnreadable, fmt.Sprintf("after %d bytes: %s", n, usercode.Text(err)), err)
}

// The body of a request that came through an adapter provides what the framework knows
// and an *http.Request does not hold.
type (
	// A hinting body says what usually reads a body too early in the framework, and
	// what to do about it.
	hinting interface{ ConsumedHint() string }
	// A mounted body has the project that the path names.
	mounted interface{ PathProject() string }
)

// consumed returns the error for a body that was read before the receiver got it.
func consumed(body io.Reader, what string) error {
	hint := "look for middleware that logs, audits or decodes request bodies; " +
		"mount the receiver outside of it, or have it put back what it read"
	if b, ok := body.(hinting); ok {
		hint = b.ConsumedHint()
	}
	return fmt.Errorf("%w: %s; %s", ErrBodyConsumed, what, hint)
}

// PathProject returns the project that the path of a request names, or nothing.
func PathProject(req *http.Request) string {
	if b, ok := req.Body.(mounted); ok {
		return b.PathProject()
	}
	return req.PathValue("project")
}

// CanonicalHeader returns a header with net/http's spelling of its names.
func CanonicalHeader(header http.Header) http.Header {
	canonical := true
	for name := range header {
		canonical = canonical && textproto.CanonicalMIMEHeaderKey(name) == name
	}
	if canonical {
		return header
	}
	next := make(http.Header, len(header))
	for name, lines := range header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		next[name] = append(next[name], lines...)
	}
	return next
}
