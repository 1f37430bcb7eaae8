package inspector

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/sonzaihook/sonzaihook"
)

// Transport returns a RoundTripper that keeps what is sent through next and what
// is answered, as [Inspector.Capture] keeps what arrives: for the HTTP client of a
// simulated platform, or of a program that forwards deliveries. What a delivery
// became is read from the answer. nil stands for http.DefaultTransport.
func (i *Inspector) Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{i, next}
}

// WithEmit sets what is done with a sample in place of signing it and giving it to
// the captured handler: a simulated platform lets the event happen and delivers it
// by itself. The body is a JSON object with an event_type. It is called
// concurrently. The default is nil.
func WithEmit(emit func(ctx context.Context, body []byte) error) Option {
	return func(s *settings) { s.emit = emit }
}

type transport struct {
	inspector *Inspector
	next      http.RoundTripper
}

// RoundTrip sends a request as next does.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	p := newPending(req.Context(), t.inspector, sent)
	p.request(req)
	p.r.path = bounded(req.URL.Scheme+"://"+req.URL.Host+req.URL.Path, longestPath)
	req = req.Clone(req.Context())
	p.tap.of(req, p)
	defer p.finish()
	answer, err := t.next.RoundTrip(req)
	p.own = nil
	if err != nil {
		p.out = &result{message: bounded(err.Error(), longestMessage), sent: true, authentic: true}
		return nil, err
	}
	p.r.status = answer.StatusCode
	p.r.answer = first(answer)
	p.out = heard(p.r)
	return answer, nil
}

// first reads the beginning of an answer and puts it back.
func first(answer *http.Response) []byte {
	head, err := io.ReadAll(io.LimitReader(answer.Body, longestAnswer))
	rest := io.Reader(answer.Body)
	if err != nil {
		rest = broken{err}
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), answer.Body}
	return head
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// heard reads from an answer what became of a delivery.
func heard(r *record) *result {
	var said struct{ Code string }
	_ = json.Unmarshal(r.answer, &said) // an answer that is not a receiver's has no code
	out := &result{status: r.status, code: said.Code, sent: true}
	switch said.Code {
	case sonzaihook.CodeUnauthorized, sonzaihook.CodeMethodNotAllowed, sonzaihook.CodeBodyTooLarge, sonzaihook.CodeUnsupportedMediaType:
	default:
		out.authentic = true
	}
	return out
}
