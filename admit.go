package sonzaihook

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What is checked of a request before its body is authenticated, and how the
// body is read. Everything that can refuse without the body comes before it.

// admit checks the headers and leaves the signature parsed.
func (r *Receiver) admit(header http.Header, now time.Time, sig *signature) error {
	if err := checkMedia(header); err != nil {
		return err
	}
	if r.authorization != nil {
		got := sha256.Sum256([]byte(first(header, "Authorization")))
		if subtle.ConstantTimeCompare(got[:], r.authorization[:]) != 1 {
			return ErrWrongAuthorization
		}
	}
	switch lines := header[SignatureHeader]; len(lines) {
	case 0:
		return ErrMissingSignature
	case 1:
		if err := sig.parse(lines[0]); err != nil {
			return err
		}
	default:
		return malformed("more than one header line")
	}
	return sig.checkTime(now, r.tolerance)
}

// checkMedia refuses what says that it is not plain JSON. A delivery that says
// nothing of its type is let in; its signature decides.
func checkMedia(header http.Header) error {
	if encoding := first(header, "Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fmt.Errorf("%w: the body has a content encoding", ErrUnsupportedMediaType)
	}
	switch content := first(header, "Content-Type"); content {
	case "", "application/json", "application/json; charset=utf-8":
		return nil
	default:
		media, _, err := mime.ParseMediaType(content)
		if err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
			return nil
		}
		return fmt.Errorf("%w: the content type is not JSON", ErrUnsupportedMediaType)
	}
}

func first(header http.Header, name string) string {
	if values := header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// The buffer for a body is made before any of it has arrived, so that a forged
// Content-Length should cost next to nothing.
const (
	firstRead        = 16 << 10
	firstReadChunked = 2 << 10
)

// readBody reads the body of a request. The buffer is the delivery's own: callbacks
// may keep it.
func (r *Receiver) readBody(req *http.Request) ([]byte, error) {
	if req.ContentLength > r.maxBody {
		return nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrBodyTooLarge, req.ContentLength, r.maxBody)
	}
	if req.Body == nil {
		return nil, nil
	}
	body, err := readUpTo(req.Body, r.maxBody+1, req.ContentLength)
	n := int64(len(body))
	switch {
	case err != nil:
		return nil, unreadable(req.Body, err, n)
	case n > r.maxBody:
		return nil, fmt.Errorf("%w: more than the limit", ErrBodyTooLarge)
	case n < req.ContentLength, n == 0 && req.ContentLength < 0:
		return nil, consumed(req.Body, fmt.Sprintf("%d of %d bytes were left", n, req.ContentLength))
	}
	return body, nil
}

// readUpTo reads until the end or the limit. Its buffer is made for the announced
// length, but never for more than eight times what has arrived.
func readUpTo(from io.Reader, limit, announced int64) ([]byte, error) {
	first := min(announced+1, firstRead)
	if announced < 0 {
		first = firstReadChunked
	}
	body := make([]byte, 0, first)
	for int64(len(body)) < limit {
		if len(body) == cap(body) {
			body = slices.Grow(body, roomFor(int64(len(body)), announced))
		}
		n, err := from.Read(body[len(body):min(int64(cap(body)), limit)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
	return body, nil
}

// roomFor returns how much more to make room for: all that was announced if enough
// of it has arrived, else as much again.
func roomFor(arrived, announced int64) int {
	if rest := announced + 1 - arrived; rest > 0 {
		return int(min(rest, 7*arrived))
	}
	return int(arrived)
}

func unreadable(body io.Reader, err error, n int64) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: more than a limit before the receiver", ErrBodyTooLarge)
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return consumed(body, "it was closed")
	}
	return fmt.Errorf("%w: after %d bytes: %w", ErrBodyUnreadable, n, err)
}

// mountedBody is the body of a request that came through an adapter. It knows
// what the request does not: what the framework keeps to itself.
type mountedBody interface {
	// ConsumedHint says who usually reads a body too early there, and the way out.
	ConsumedHint() string
	// PathEvent returns the framework's path parameter "event", or nothing.
	PathEvent() string
}

// pathEvent returns the event type that the path names, or nothing.
func pathEvent(req *http.Request) string {
	if b, ok := req.Body.(mountedBody); ok {
		return b.PathEvent()
	}
	return req.PathValue("event")
}

// consumed returns the error for a body that somebody read before us.
func consumed(body io.Reader, what string) error {
	hint := "look for middleware that logs, audits or decodes request bodies; " +
		"mount the receiver outside of it, or have it put back what it read"
	if b, ok := body.(mountedBody); ok {
		hint = b.ConsumedHint()
	}
	return fmt.Errorf("%w: %s; %s", ErrBodyConsumed, what, hint)
}
