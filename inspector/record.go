package inspector

import (
	"errors"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// kind says in which ring a delivery is kept.
type kind int

const (
	handled kind = iota // authentic, whatever became of it
	refused             // never shown to be authentic
	kinds
)

func (k kind) String() string { return [...]string{"handled", "refused"}[k] }

// origin says how a delivery came to be seen.
type origin string

const (
	arrived    origin = ""           // through the captured handler
	dispatched origin = "dispatched" // past it: a poll, a replay, a queue
	replayed   origin = "replay"     // from this page
	sample     origin = "sample"     // from this page
	sent       origin = "sent"       // seen from the sender's side
)

// record is one delivery as it was seen. It does not change once it is in a ring.
type record struct {
	seq    uint64
	at     time.Time
	took   time.Duration
	origin origin
	of     uint64 // the delivery that was replayed

	method, path string
	header       []field
	signature    []string // the values of the signature header; never shown
	body         []byte
	length       int64 // of the body as it arrived, or as announced
	whole        bool  // body is all of it

	status int    // 0: no answer was written
	answer []byte // its first bytes
	out    *result

	facts *facts
	home  *kept // the memory to be used again; nil where something else may hold it
}

// field is one line of a header. Hidden values are not kept at all.
type field struct {
	name, value string
	hidden      int // how many bytes the value had
}

// result is an outcome without what it may hold on to.
type result struct {
	status           int
	code, typ, id    string
	project          string
	source           string
	signedAt         time.Time
	retiring         bool
	took, retryAfter time.Duration
	reason           error  // a value of package sonzaihook, for refusals
	message          string // the error's text
	authentic        bool   // the signature was right
	sent             bool   // it is read from an answer
}

const longestMessage = 4 << 10

// refusals are the errors that this package explains.
var refusals = []error{
	sonzaihook.ErrMissingSignature, sonzaihook.ErrMalformedSignature, sonzaihook.ErrTimestampOutsideTolerance,
	sonzaihook.ErrSecretOfOtherType, sonzaihook.ErrWrongAuthorization, sonzaihook.ErrSecretAwaited,
	sonzaihook.ErrSecretSource, sonzaihook.ErrUnknownProject, sonzaihook.ErrSignatureMismatch, sonzaihook.ErrMethodNotAllowed, sonzaihook.ErrBodyTooLarge,
	sonzaihook.ErrUnsupportedMediaType, sonzaihook.ErrBodyConsumed, sonzaihook.ErrBodyUnreadable,
}

func newResult(o *sonzaihook.Outcome) *result {
	r := new(result)
	r.fill(o)
	return r
}

func (r *result) fill(o *sonzaihook.Outcome) {
	*r = result{
		status: o.Status, code: o.Code, typ: string(o.Type), id: o.DeliveryID, project: o.Project,
		source: string(o.Source), signedAt: o.SignedAt, retiring: o.Retiring, took: o.Duration, retryAfter: o.RetryAfter,
	}
	r.authentic = r.typ != "" || r.id != "" || r.code == sonzaihook.CodeUndecodable
	if o.Err == nil {
		return
	}
	r.message = bounded(o.Err.Error(), longestMessage)
	if r.authentic {
		return // the error may be the user's, and errors.Is runs its methods
	}
	for _, reason := range refusals {
		if errors.Is(o.Err, reason) {
			r.reason = reason
			break
		}
	}
}

func (r *record) kind() kind {
	if r.out != nil && r.out.authentic {
		return handled
	}
	return refused
}

// ownWeight is about what a record takes before anything is in it.
const ownWeight = 1536

// weight is about how much memory the record takes.
func (r *record) weight() int {
	n := ownWeight + cap(r.body) + len(r.answer) + len(r.path)
	for i := range r.header {
		n += 64 + len(r.header[i].name) + len(r.header[i].value)
	}
	for _, s := range r.signature {
		n += len(s)
	}
	if r.out != nil {
		n += len(r.out.message) + len(r.out.id) + len(r.out.typ) + len(r.out.project)
	}
	return n
}

// longestClaim bounds what is kept of a body beside it.
const longestClaim = 1 << 10

// facts are what the body claims, read when a page shows it.
type facts struct {
	once       sync.Once
	typ, agent string
}

func (r *record) read() *facts {
	r.facts.once.Do(func() {
		typ, agent := claims(r.body)
		r.facts.typ, r.facts.agent = bounded(typ, longestClaim), bounded(agent, longestClaim)
	})
	return r.facts
}

func (r *record) typ() string {
	if r.out != nil && r.out.typ != "" {
		return r.out.typ
	}
	return r.read().typ
}

func bounded(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
