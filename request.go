package sonzaihook

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// Checking the headers of a request, and reading its body.

// admit checks the headers and parses the signature.
func (s *settings) admit(header http.Header, now time.Time, sig *signature.Header) error {
	if err := wire.CheckMedia(header); err != nil {
		return err
	}
	if s.authorization != nil {
		got := sha256.Sum256([]byte(first(header, "Authorization")))
		if subtle.ConstantTimeCompare(got[:], s.authorization[:]) != 1 {
			return ErrWrongAuthorization
		}
	}
	lines := header[SignatureHeader]
	if len(lines) == 0 {
		return ErrMissingSignature
	}
	if err := sig.ParseLines(lines); err != nil {
		return err
	}
	return sig.CheckTime(now, s.tolerance)
}

func first(header http.Header, name string) string {
	if lines := header[name]; len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// canonicalHeader returns a header with net/http's spelling of its names, because
// not every caller of Receive has it.
func canonicalHeader(header http.Header) http.Header {
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

// readBody reads the body of a request. If pooled is not nil, body aliases it:
// clone body before calling pooled.Release, which must be called in any case.
func (s *settings) readBody(req *http.Request) (body []byte, pooled *wire.Buffer, err error) {
	if req.ContentLength > s.maxBody {
		return nil, nil, fmt.Errorf("%w: %d bytes announced, %d allowed", ErrBodyTooLarge, req.ContentLength, s.maxBody)
	}
	if req.Body == nil {
		return nil, nil, nil
	}
	body, pooled, err = wire.Read(req.Body, s.maxBody+1, req.ContentLength)
	if err != nil {
		return body, pooled, unreadable(req.Body, err, len(body))
	}
	return body, pooled, s.checkLength(req, int64(len(body)))
}

func (s *settings) checkLength(req *http.Request, n int64) error {
	switch {
	case n > s.maxBody:
		return fmt.Errorf("%w: more than the limit", ErrBodyTooLarge)
	case n < req.ContentLength, n == 0 && req.ContentLength < 0:
		return consumed(req.Body, fmt.Sprintf("%d of %d bytes were left", n, req.ContentLength))
	}
	return nil
}

func unreadable(body io.Reader, err error, n int) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: more than a limit before the receiver", ErrBodyTooLarge)
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return consumed(body, "it was closed")
	}
	return usercode.Because(ErrBodyUnreadable, fmt.Sprintf("after %d bytes: %s", n, usercode.Text(err)), err)
}

// mountedBody is the body of a request that came through an adapter. It provides what
// the framework knows and an *http.Request does not hold.
type mountedBody interface {
	// ConsumedHint says what usually reads a body too early in this framework, and
	// what to do about it.
	ConsumedHint() string
}

// pathProject returns the project that the path names, or nothing.
func pathProject(req *http.Request) string {
	if b, ok := req.Body.(interface{ PathProject() string }); ok {
		return b.PathProject()
	}
	return req.PathValue("project")
}

// consumed returns the error for a body that was read before the receiver got it.
func consumed(body io.Reader, what string) error {
	hint := "look for middleware that logs, audits or decodes request bodies; " +
		"mount the receiver outside of it, or have it put back what it read"
	if b, ok := body.(mountedBody); ok {
		hint = b.ConsumedHint()
	}
	return fmt.Errorf("%w: %s; %s", ErrBodyConsumed, what, hint)
}

// authenticate reads a request and returns its delivery, authentic but not yet
// decoded.
func (s *settings) authenticate(keys *signature.Keyring, req *http.Request, now time.Time, sig *signature.Header) (*inbound, error) {
	if req.Method != http.MethodPost {
		return nil, ErrMethodNotAllowed
	}
	if err := s.admit(req.Header, now, sig); err != nil {
		return nil, err
	}
	project := pathProject(req)
	body, pooled, err := s.readBody(req)
	defer pooled.Release()
	if err != nil {
		return nil, err
	}
	return s.verified(keys, body, pooled == nil, sig, now, project)
}

func (s *settings) authenticateBytes(keys *signature.Keyring, header http.Header, body []byte, now time.Time, sig *signature.Header, project string) (*inbound, error) {
	if err := s.admit(header, now, sig); err != nil {
		return nil, err
	}
	if int64(len(body)) > s.maxBody {
		return nil, fmt.Errorf("%w: %d bytes, %d allowed", ErrBodyTooLarge, len(body), s.maxBody)
	}
	return s.verified(keys, body, false, sig, now, project)
}

// verified returns the delivery if a secret signed the body. The body is copied
// unless callbacks may keep it.
func (s *settings) verified(keys *signature.Keyring, body []byte, owned bool, sig *signature.Header, now time.Time, project string) (*inbound, error) {
	q := signature.Query{Project: project, Now: now}
	byProject := keys.HasProjects()
	peeked, ok := wire.Peek(body, byProject)
	if ok {
		q.Type = string(peekedType(&peeked))
	}
	if project == "" && byProject {
		q.Project = string(peeked.Project)
	}
	match, err := keys.Verify(sig, body, q)
	if err != nil {
		if byProject && q.Project == "" && errors.Is(err, ErrSignatureMismatch) {
			s.report.unnamed()
		}
		return nil, err
	}
	if !owned {
		body = bytes.Clone(body)
	}
	in := &inbound{
		key: match, peeked: EventType(q.Type),
		Delivery: Delivery{SignedAt: sig.Time(), Source: SourceWebhook, Project: match.Project, Body: body},
	}
	s.began(in, now)
	return in, nil
}

// began records when a delivery arrived, unless the user set the clock: timeouts are
// in real time and cannot be measured with it.
func (s *settings) began(in *inbound, start time.Time) {
	if s.clock == nil {
		in.Began(start)
	}
}
