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
	"sync"
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

// A buffer holds a body while it is authenticated. What leaves the receiver is
// always a copy, so that buffers can be used again.
type buffer struct{ bytes []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// A buffer grows with what arrives, not with what a Content-Length announces
// beyond the first size, and one that grew beyond the second is not kept.
const (
	smallBuffer = 16 << 10
	largeBuffer = 1 << 20
)

func (b *buffer) free() {
	if cap(b.bytes) <= largeBuffer {
		buffers.Put(b)
	}
}

// read reads up to one byte more than the limit.
func (b *buffer) read(body io.Reader, announced, limit int64) error {
	b.bytes = slices.Grow(b.bytes[:0], int(min(max(announced, 0), smallBuffer))+1)
	for int64(len(b.bytes)) <= limit {
		if len(b.bytes) == cap(b.bytes) {
			b.bytes = slices.Grow(b.bytes, len(b.bytes))
		}
		room := b.bytes[len(b.bytes):min(int64(cap(b.bytes)), limit+1)]
		n, err := body.Read(room)
		b.bytes = b.bytes[:len(b.bytes)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readBody reads the body of a request into b.
func (r *Receiver) readBody(req *http.Request, b *buffer) error {
	if req.ContentLength > r.maxBody {
		return fmt.Errorf("%w: %d bytes announced, %d allowed", ErrBodyTooLarge, req.ContentLength, r.maxBody)
	}
	if req.Body == nil {
		b.bytes = b.bytes[:0]
		return nil
	}
	err := b.read(req.Body, req.ContentLength, r.maxBody)
	n := int64(len(b.bytes))
	switch {
	case err != nil:
		return unreadable(req.Body, err, n)
	case n > r.maxBody:
		return fmt.Errorf("%w: more than the limit", ErrBodyTooLarge)
	case n < req.ContentLength, n == 0 && req.ContentLength < 0:
		return consumed(req.Body, fmt.Sprintf("%d of %d bytes were left", n, req.ContentLength))
	}
	return nil
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
