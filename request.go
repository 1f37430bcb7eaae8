package sonzaihook

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// Checking the headers of a request, and reading its body.

// admit checks the headers and parses the signature.
func (s *settings) admit(header http.Header, now time.Time, sig *signature.Header) error {
	if err := wire.CheckMedia(header); err != nil {
		return err
	}
	if s.authorization != nil {
		got := sha256.Sum256([]byte(header.Get("Authorization")))
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

// authenticate reads a request and returns its delivery, authentic but not yet
// decoded.
func (s *settings) authenticate(keys *signature.Keyring, req *http.Request, now time.Time, sig *signature.Header) (*inbound, error) {
	if req.Method != http.MethodPost {
		return nil, ErrMethodNotAllowed
	}
	if err := s.admit(req.Header, now, sig); err != nil {
		return nil, err
	}
	project := wire.PathProject(req)
	body, pooled, err := wire.ReadRequest(req, s.maxBody)
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
