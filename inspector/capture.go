package inspector

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

const (
	mostFields    = 64       // of a header
	longestHeader = 16 << 10 // all that is kept of one
	longestPath   = 512
	longestAnswer = 4 << 10
	firstPiece    = 4 << 10   // of a body, before it has shown to be longer
	mostRemainder = 256 << 10 // what net/http reads too, of a body that a handler left
)

// Capture returns a handler that keeps what next, the handler of the receiver, is
// asked and answers. It reads no byte of a body before next does, changes neither
// request nor answer, and waits for nothing that the page does. Of a body that
// next leaves unread, as that of a delivery with an old signature, it keeps what
// net/http would read and throw away. Samples go to the handler that was captured last.
func (i *Inspector) Capture(next http.Handler) http.Handler {
	c := &capture{inspector: i, next: next}
	i.target.Store(c)
	return c
}

type capture struct {
	inspector *Inspector
	next      http.Handler
}

func (c *capture) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx := req.Context()
	if outer, ok := ctx.Value(pendingKey{}).(*pending); ok && outer.inspector == c.inspector {
		c.next.ServeHTTP(w, req) // captured already
		return
	}
	origin, _ := ctx.Value(originKey{}).(origin)
	p := newPending(c.inspector, ctx, origin)
	p.request(req)
	req = req.WithContext(p)
	p.tap.of(req, p)
	p.answer = answering{w, p.r}
	defer p.finish()
	c.next.ServeHTTP(&p.answer, req)
	if req.ProtoMajor == 1 {
		p.tap.rest()
	}
}

type (
	pendingKey struct{}
	originKey  struct{} // the origin of a request that this package makes
	numberKey  struct{} // where to write the number of its delivery
)

// pending is a delivery that is being handled. It is the context of its request, by
// which the outcome finds it.
type pending struct {
	context.Context
	inspector *Inspector
	r         *record
	started   time.Time
	tap       tap
	answer    answering

	mu  sync.Mutex // guards what follows: the outcome may come late, from another goroutine
	out *result
	own *result // lies beside the record; nil when it is in use
	seq uint64
}

// kept is a record with room for what most have, in one piece of memory.
type kept struct {
	record
	about     facts
	result    result
	fields    [10]field
	signature [1]string
	answer    [32]byte
}

func newPending(i *Inspector, ctx context.Context, from origin) *pending {
	k := new(kept)
	p := &pending{Context: ctx, inspector: i, started: time.Now(), r: &k.record, own: &k.result}
	r := p.r
	r.at, r.origin, r.facts = p.started, from, &k.about
	if i.now != nil {
		r.at = i.now()
	}
	r.header, r.signature, r.answer = k.fields[:0], k.signature[:0], k.answer[:0]
	return p
}

func (p *pending) Value(key any) any {
	if key == (pendingKey{}) {
		return p
	}
	return p.Context.Value(key)
}

// expects reports whether an outcome is of this delivery, and not of one that a
// callback dispatched in its context.
func (p *pending) expects(source sonzaihook.Source) bool {
	if p.r.origin == replayed {
		return source == sonzaihook.SourceReplay
	}
	return source == sonzaihook.SourceWebhook
}

func (p *pending) join(o *sonzaihook.Outcome) {
	p.mu.Lock()
	if p.out, p.own = p.own, nil; p.out == nil {
		p.out = new(result)
	}
	p.out.fill(o)
	out, seq := p.out, p.seq
	p.mu.Unlock()
	if seq != 0 { // the answer was given without waiting for the receiver
		p.inspector.shelf.amend(seq, out)
	}
}

// request keeps what there is of a request before its body.
func (p *pending) request(req *http.Request) {
	r := p.r
	r.method, r.path, r.length = bounded(req.Method, 32), bounded(req.URL.Path, longestPath), req.ContentLength
	room := longestHeader
	for name, values := range req.Header {
		for _, value := range values {
			room -= len(name) + len(value)
			if room < 0 || len(r.header) == mostFields {
				return
			}
			switch name {
			case sonzaihook.SignatureHeader:
				r.signature = append(r.signature, value)
			case "Authorization", "Proxy-Authorization", "Cookie":
				r.header = append(r.header, field{name: name, hidden: len(value)})
			default:
				r.header = append(r.header, field{name: name, value: value})
			}
		}
	}
}

// finish keeps the delivery, also if its handler panicked.
func (p *pending) finish() {
	r := p.r
	r.took = time.Since(p.started)
	p.tap.end(r)
	p.mu.Lock()
	r.out = p.out
	p.mu.Unlock()
	seq := p.inspector.keep(r)
	if r.origin != arrived {
		if number, ok := p.Context.Value(numberKey{}).(*uint64); ok {
			*number = seq
		}
	}
	p.mu.Lock()
	p.seq = seq
	late := p.out != r.out
	out := p.out
	p.mu.Unlock()
	if late {
		p.inspector.shelf.amend(seq, out)
	}
	if i := p.inspector; r.origin == arrived && r.kind() == handled {
		if known := i.path.Load(); known == nil || *known != r.path {
			path := r.path
			i.path.Store(&path)
		}
	}
}

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
	i := t.p.inspector
	if len(b) > t.most || i.flying.Load()+int64(len(b)) > int64(i.bytes/4) {
		return false
	}
	t.body = append([]byte(nil), b...) // which, unlike make, clears no memory first
	i.flying.Add(int64(cap(t.body)))
	return true
}

// rest reads what the handler left, as net/http does before it answers: so much of
// it that the connection can be used again.
func (t *tap) rest() {
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

// answering keeps the beginning of an answer.
type answering struct {
	http.ResponseWriter
	r *record
}

func (a *answering) WriteHeader(status int) {
	if a.r.status == 0 && status >= 200 {
		a.r.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answering) Write(b []byte) (int, error) {
	if a.r.status == 0 {
		a.r.status = http.StatusOK
	}
	if room := longestAnswer - len(a.r.answer); room > 0 {
		a.r.answer = append(a.r.answer, b[:min(len(b), room)]...)
	}
	return a.ResponseWriter.Write(b)
}

// Flush serves handlers that ask for an http.Flusher.
func (a *answering) Flush() { _ = http.NewResponseController(a.ResponseWriter).Flush() }

// Unwrap serves http.ResponseController.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }
