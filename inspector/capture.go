package inspector

import (
	"context"
	"net/http"
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
	p := newPending(ctx, c.inspector, origin)
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
	r         *record // not to be touched after finish: its memory serves others then
	started   time.Time
	from      origin
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
	buffer    []byte // for a body
}

// largestSpare bounds the buffers that are used again.
const largestSpare = 8 << 10

func (k *kept) clear() {
	buffer := k.buffer[:0]
	if body := k.body; cap(body) > cap(buffer) && cap(body) <= largestSpare {
		buffer = body[:0]
	}
	*k = kept{buffer: buffer}
}

func newPending(ctx context.Context, i *Inspector, from origin) *pending {
	k, again := i.shelf.spare.Get().(*kept)
	if again {
		k.clear()
	} else {
		k = new(kept)
	}
	p := &pending{Context: ctx, inspector: i, started: time.Now(), from: from, r: &k.record, own: &k.result}
	r := p.r
	r.at, r.origin, r.facts, r.home = p.started, from, &k.about, k
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
	if p.from == replayed {
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

func (p *pending) joined() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out != nil
}

// request keeps what there is of a request before its body.
func (p *pending) request(req *http.Request) {
	r := p.r
	r.method, r.path, r.length = bounded(req.Method, 32), bounded(req.URL.Path, longestPath), req.ContentLength
	if len(req.RequestURI) > longestPath {
		// Both are pieces of the request's first line, which may hold a megabyte of a query.
		r.method, r.path = strings.Clone(r.method), strings.Clone(r.path)
	}
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

// finish keeps the delivery, also if its handler panicked. Once it is kept, its
// record may go at any moment.
func (p *pending) finish() {
	r, i := p.r, p.inspector
	r.took = time.Since(p.started)
	p.tap.end(r)
	p.mu.Lock()
	told := p.out
	p.own = nil // an outcome that comes later finds memory by itself
	p.mu.Unlock()
	r.out = told
	if r.origin == arrived && r.kind() == handled {
		i.notePath(r.path)
	}
	asked := r.origin != arrived
	seq := i.keep(r)
	if number, ok := p.number(asked); ok {
		*number = seq
	}
	p.mu.Lock()
	p.seq = seq
	late := p.out
	p.mu.Unlock()
	if late != told {
		i.shelf.amend(seq, late)
	}
}

// number returns where to write the number of a delivery that this package makes.
func (p *pending) number(asked bool) (*uint64, bool) {
	if !asked {
		return nil, false
	}
	number, ok := p.Context.Value(numberKey{}).(*uint64)
	return number, ok
}

// notePath notes where deliveries arrive, for samples.
func (i *Inspector) notePath(path string) {
	if known := i.path.Load(); known == nil || *known != path {
		own := path // so that only this one goes to the heap
		i.path.Store(&own)
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
