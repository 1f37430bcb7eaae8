package inspector

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// tap keeps what is read of a body. It is used by one goroutine, that which reads
// the body, and after the handler has returned by that which called it.
type tap struct {
	io.ReadCloser
	mu    sync.Mutex // a handler may leave a goroutine behind that reads
	p     *pending
	body  []byte
	most  int
	n     int64
	eof   bool
	ended bool
}

// mounted is the body of a mount that can say who else may have read it.
type mounted interface{ ConsumedHint() string }

type mountedTap struct {
	*tap
	mounted
}

// of puts the tap round the body of a request.
func (t *tap) of(req *http.Request, p *pending) {
	t.ReadCloser, t.p, t.most = req.Body, p, p.inspector.bytes/16
	if req.Body == nil || req.Body == http.NoBody {
		t.ReadCloser, t.eof = http.NoBody, true
		return
	}
	req.Body = t
	if m, ok := t.ReadCloser.(mounted); ok {
		req.Body = mountedTap{t, m}
	}
}

// reserve makes room for a body that has n bytes, if there is memory for it.
func (t *tap) reserve(n int) bool {
	n = min(n, t.most)
	more := int64(n - cap(t.body))
	if more <= 0 {
		return cap(t.body) > len(t.body)
	}
	i := t.p.inspector
	if i.flying.Add(more) > int64(i.bytes/4) {
		i.flying.Add(-more)
		return false
	}
	grown := make([]byte, len(t.body), n)
	copy(grown, t.body)
	t.body = grown
	return true
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.ReadCloser.Read(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.take(b[:n])
		t.eof = t.eof || err == io.EOF
	}
	return n, err
}

func (t *tap) take(b []byte) {
	t.n += int64(len(b))
	if int64(len(t.body)) != t.n-int64(len(b)) {
		return // something is missing already
	}
	if cap(t.body) == 0 && t.first(b) {
		return
	}
	if need := len(t.body) + len(b); need > cap(t.body) {
		t.reserve(max(need, min(2*cap(t.body), t.most), min(firstPiece, need*2)))
	}
	t.body = append(t.body, b[:min(len(b), cap(t.body)-len(t.body))]...)
}

// first copies the first piece of a body, which is most often all of it.
func (t *tap) first(b []byte) bool {
	i, n := t.p.inspector, len(b)
	if n > t.most {
		return false
	}
	if i.flying.Add(int64(n)) > int64(i.bytes/4) {
		i.flying.Add(-int64(n))
		return false
	}
	buffer := t.p.r.home.buffer
	if cap(buffer) < n {
		buffer = nil // append, unlike make, clears no memory first
	}
	t.body = append(buffer, b...)[:n:n]
	return true
}

// rest reads what the handler left, as net/http does before it answers: so much of
// it that the connection can be used again. While there is no outcome, something
// may still read.
func (t *tap) rest() {
	if !t.p.joined() {
		return
	}
	announced := t.p.r.length
	if t.eof || announced > mostRemainder || t.ReadCloser == nil || t.p.Err() != nil || t.awaited() {
		return
	}
	buf := make([]byte, 4<<10)
	for left := int64(mostRemainder); left > 0 && !t.eof && (announced < 0 || t.n < announced); {
		n, err := t.Read(buf)
		left -= int64(n)
		if err != nil {
			return
		}
	}
}

// awaited reports whether the client waits for leave to send its body, which a
// read would give.
func (t *tap) awaited() bool {
	return slices.ContainsFunc(t.p.r.header, func(f field) bool { return f.name == "Expect" && strings.EqualFold(f.value, "100-continue") })
}

// end hands the body over.
func (t *tap) end(r *record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.p.inspector.flying.Add(-int64(cap(t.body)))
	r.body = t.body
	complete := t.eof || t.n == r.length
	r.whole = complete && int64(len(t.body)) == t.n
	if complete || t.n > r.length {
		r.length = t.n
	}
}
