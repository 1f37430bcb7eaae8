package sonzaihook

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
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
	values := header[SignatureHeader]
	if len(values) > 1 {
		return malformed("more than one header line")
	}
	if err := sig.parse(first(header, SignatureHeader)); err != nil {
		return err
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

// buffers holds the buffers into which bodies are read. What leaves the receiver
// is always a copy.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// The sizes between which a body's buffer is made before the body is seen, so
// that a forged Content-Length costs nothing, and up to which one is kept.
const (
	smallBuffer = 16 << 10
	largeBuffer = 1 << 20
)

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= largeBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// readBody reads the body of a request into b.
func (r *Receiver) readBody(req *http.Request, b *bytes.Buffer) error {
	if req.ContentLength > r.maxBody {
		return fmt.Errorf("%w: %d bytes announced, %d allowed", ErrBodyTooLarge, req.ContentLength, r.maxBody)
	}
	if req.Body == nil {
		return nil
	}
	b.Grow(int(min(max(req.ContentLength, 0), smallBuffer)) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(req.Body, r.maxBody+1))
	var tooLarge *http.MaxBytesError
	switch {
	case n > r.maxBody, errors.As(err, &tooLarge):
		return fmt.Errorf("%w: more than the limit", ErrBodyTooLarge)
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return consumed(req.Body, "it was closed")
	case err != nil:
		return fmt.Errorf("%w: after %d bytes: %w", ErrBodyUnreadable, n, err)
	case n < req.ContentLength, n == 0 && req.ContentLength < 0:
		return consumed(req.Body, fmt.Sprintf("%d of %d bytes were left", n, req.ContentLength))
	}
	return nil
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
