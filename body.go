package sonzaihook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// How a body is read. A short one goes into memory of its own, which callbacks may
// keep. A longer one goes into memory that is used again and is copied once it is
// authentic: a forged one leaves nothing to collect.

const (
	// shortBody is up to where a copy would cost more than it saves.
	shortBody = 4 << 10
	// smallBuffer is what a connection gets, whatever it announces. Only one that
	// has filled it gets more, and only for what it has sent by then.
	smallBuffer = 16 << 10
	// largestKept bounds the buffers that are used again.
	largestKept = 1 << 20
)

// buffer holds a body that is not trusted yet.
type buffer struct{ bytes []byte }

var (
	smallBuffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, smallBuffer)} }}
	largeBuffers sync.Pool
)

// release gives the memory to the next body. A nil buffer has none.
func (b *buffer) release() {
	if b == nil {
		return
	}
	b.bytes = b.bytes[:0]
	switch {
	case cap(b.bytes) == smallBuffer:
		smallBuffers.Put(b)
	case cap(b.bytes) <= largestKept:
		largeBuffers.Put(b)
	}
}

// readBody reads the body of a request. If it lies in a buffer, that has to be
// released, and the body is to be copied before.
func (r *Receiver) readBody(req *http.Request) (body []byte, lent *buffer, err error) {
	if req.ContentLength > r.maxBody {
		return nil, nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrBodyTooLarge, req.ContentLength, r.maxBody)
	}
	if req.Body == nil {
		return nil, nil, nil
	}
	body, lent, err = readUpTo(req.Body, r.maxBody+1, req.ContentLength)
	if n := int64(len(body)); err == nil {
		err = r.checkLength(req, n)
	} else {
		err = unreadable(req.Body, err, n)
	}
	return body, lent, err
}

func (r *Receiver) checkLength(req *http.Request, n int64) error {
	switch {
	case n > r.maxBody:
		return fmt.Errorf("%w: more than the limit", ErrBodyTooLarge)
	case n < req.ContentLength, n == 0 && req.ContentLength < 0:
		return consumed(req.Body, fmt.Sprintf("%d of %d bytes were left", n, req.ContentLength))
	}
	return nil
}

// readUpTo reads until the end or the limit.
func readUpTo(from io.Reader, limit, announced int64) (body []byte, lent *buffer, err error) {
	var over bool
	if 0 <= announced && announced <= shortBody {
		body, over, err = fill(make([]byte, 0, announced+1), from, limit)
		if over || err != nil {
			return body, nil, err
		}
	}
	lent = smallBuffers.Get().(*buffer)
	lent.bytes = append(lent.bytes, body...)
	for {
		lent.bytes, over, err = fill(lent.bytes, from, limit)
		if over || err != nil {
			return lent.bytes, lent, err
		}
		lent = lent.larger(announced)
	}
}

// fill reads as long as there is room, and reports whether it reached the end or
// the limit.
func fill(b []byte, from io.Reader, limit int64) (filled []byte, over bool, err error) {
	room := int(min(int64(cap(b)), limit))
	for len(b) < room {
		n, err := from.Read(b[len(b):room])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, true, nil
		}
		if err != nil {
			return b, false, err
		}
	}
	return b, int64(len(b)) == limit, nil
}

// larger moves what has arrived into a larger buffer.
func (b *buffer) larger(announced int64) *buffer {
	more, _ := largeBuffers.Get().(*buffer)
	if arrived := len(b.bytes); more == nil || cap(more.bytes) <= arrived {
		more = &buffer{make([]byte, 0, arrived+roomFor(int64(arrived), announced))}
	}
	more.bytes = append(more.bytes[:0], b.bytes...)
	b.release()
	return more
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
