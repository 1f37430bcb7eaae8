// Package diagnosis explains why a signature does not fit a body. A receiver must
// not explain, because the sender may be an attacker; the owner of the secret can
// ask here.
//
// It reads the header as leniently as it can and computes the signature again
// for everything that is known to go wrong: with the secret in other forms, and
// with the body as it may have been before something changed it.
package diagnosis

import (
	"fmt"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Input is a delivery and how to verify it.
type Input struct {
	Body      []byte
	Header    string        // the value of the signature header
	Secrets   []string      // at least one; each may be the right one
	Now       time.Time     // when the delivery arrived
	AsSigned  bool          // take the header's own time for Now
	Tolerance time.Duration // how far the header's time may be from Now
}

// Report is the explanation. It never holds a secret or a signature.
type Report struct {
	// Valid reports whether a receiver with one of the secrets accepts this.
	Valid bool `json:"valid"`
	// Authentic reports whether secret and body are the right ones, whatever else
	// is wrong.
	Authentic bool `json:"authentic"`
	// Secret is the number of the secret that signed, from 1; 0 if none did.
	Secret int `json:"secret,omitempty"`
	// SignedAt is the time in the header, zero if it has none or an implausible
	// one.
	SignedAt time.Time `json:"signed_at,omitzero"`
	// Problems is empty exactly if Valid.
	Problems []Problem `json:"problems,omitempty"`
	// Tried is how many signatures were computed to find the reason.
	Tried int `json:"tried,omitempty"`
}

// Explain verifies a signature with sonzaihook.Verify and, if it is not valid, finds
// the reasons.
func Explain(in Input) Report {
	header := parseHeader(in.Header)
	unix, timed := header.unix()
	if timed && in.AsSigned {
		in.Now = time.Unix(unix, 0)
	}
	var report Report
	if timed && unix < millisecondsFrom {
		report.SignedAt = time.Unix(unix, 0).UTC()
	}
	var refused error
	for i, secret := range in.Secrets {
		err := sonzaihook.Verify(in.Body, in.Header, secret, in.Now, in.Tolerance)
		if err == nil {
			report.Valid, report.Authentic, report.Secret = true, true, i+1
			return report
		}
		refused = err
	}
	report.Problems = append(report.Problems, header.problems...)
	if problem, off := clockProblem(unix, in.Now, in.Tolerance); timed && off {
		report.Problems = append(report.Problems, problem)
	}
	for i, secret := range in.Secrets {
		report.Problems = append(report.Problems, secretProblems(secret, label(i, in.Secrets))...)
	}
	report.search(in, header)
	if len(report.Problems) == 0 {
		report.Problems = []Problem{{Kind: Match, What: fmt.Sprint(refused)}}
	}
	return report
}

// search finds what was signed, and with which key, and adds it to the report.
func (r *Report) search(in Input, header header) {
	if len(header.macs) == 0 || len(header.times) == 0 {
		return
	}
	s := newSearch(in, header)
	hit, found := s.run()
	r.Tried = s.tried
	if found {
		r.Secret = hit.key.secret + 1
		reasons := hit.problems()
		if hit.key.told {
			r.confirm(label(hit.key.secret, in.Secrets))
		}
		r.Authentic = len(reasons) == 0 && !hit.key.told
		r.Problems = append(r.Problems, reasons...)
		return
	}
	r.Problems = append(r.Problems, s.mismatch()...)
}

// confirm says of the secret whose packaging was found that it is the right one.
func (r *Report) confirm(name string) {
	for i := range r.Problems {
		if p := &r.Problems[i]; p.Kind == Secret && strings.HasPrefix(p.What, name+" ") {
			p.What += "; without that it is the right one"
		}
	}
}

// label names a secret where there are several.
func label(i int, secrets []string) string {
	if len(secrets) == 1 {
		return "the secret"
	}
	return fmt.Sprintf("secret %d", i+1)
}
