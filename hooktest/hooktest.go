// Package hooktest is a test kit for handlers of Sonzai deliveries. A test is
// three lines:
//
//	hooks := newHooks(store) // made with sonzaihook.Secret(hooktest.Secret)
//	answer := hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventMoodChange))
//	require.Equal(t, http.StatusOK, answer.Code)
//
// Options turn the delivery into one that is tampered with, stale, signed by
// another secret, or sent twice. [RunStore] is the suite that every
// sonzaihook.Store must pass.
package hooktest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/testdata"
)

// Secret is the signing secret of every request without [SignedWith]. It is
// public: use it in tests only.
const Secret = "whsec_hooktest_0123456789abcdef01234567"

// Fixture returns the body of a delivery of a documented type, with its payload
// under "data". Each call returns another event, with another event id; to send a
// copy, send the same bytes again. The slice is the caller's. Another type fails
// the test.
func Fixture(t testing.TB, typ sonzaihook.EventType) []byte {
	t.Helper()
	return renamed(file(t, string(typ)+".json"))
}

// FlatFixture returns the body of a delivery of a documented type, with its
// payload next to the envelope's fields. It is otherwise like [Fixture].
func FlatFixture(t testing.TB, typ sonzaihook.EventType) []byte {
	t.Helper()
	return renamed(file(t, string(typ)+".flat.json"))
}

// BareWakeup returns the body of a wakeup that does not say its type. A receiver
// takes the type from a secret that belongs to one type alone, else from the wakeup.
func BareWakeup(t testing.TB) []byte {
	t.Helper()
	return file(t, "agent.wakeup.bare.json")
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	body, err := testdata.Files.ReadFile(name)
	if err != nil {
		t.Fatalf("hooktest: no fixture %s: there is one for each of sonzaihook.EventTypes", name)
	}
	return body
}

// Option changes what is sent, or how it is signed.
type Option func(*request)

type request struct {
	target        string
	secrets       []string
	at            time.Time
	age           time.Duration
	tampered      bool
	unsigned      bool
	repeated      bool
	authorization string
	changes       []change
}

// Tampered changes the body after it was signed. It is still JSON with the same
// meaning. The receiver answers 401.
func Tampered() Option { return func(r *request) { r.tampered = true } }

// Stale signs the body an hour before the time of [At]. The receiver answers 401.
func Stale() Option { return func(r *request) { r.age = time.Hour } }

// SignedWith signs the body with each of the secrets instead of [Secret], as the
// platform may while a secret rotates.
func SignedWith(secrets ...string) Option { return func(r *request) { r.secrets = secrets } }

// At signs the body at the given time instead of now, for receivers with
// sonzaihook.WithClock.
func At(at time.Time) Option { return func(r *request) { r.at = at } }

// Unsigned leaves the signature out. The receiver answers 401.
func Unsigned() Option { return func(r *request) { r.unsigned = true } }

// Repeated makes [Deliver] send the delivery twice, as the platform does when it
// did not receive the first answer, and return the second answer. The receiver
// answers 200 and runs its callbacks once.
func Repeated() Option { return func(r *request) { r.repeated = true } }

// To sends the request to another target than "/webhooks/sonzai", for handlers
// that are mounted on a path.
func To(target string) Option { return func(r *request) { r.target = target } }

// Authorization sets the Authorization header, as the platform does when the
// webhook was registered with an auth_header.
func Authorization(value string) Option { return func(r *request) { r.authorization = value } }

// NewRequest returns a POST request that delivers body, signed with [Secret] and
// the current time unless options say otherwise.
func NewRequest(t testing.TB, body []byte, options ...Option) *http.Request {
	t.Helper()
	return newRequest(t, body, options)
}

// Deliver sends the request of [NewRequest] to a handler and returns the answer.
func Deliver(t testing.TB, handler http.Handler, body []byte, options ...Option) *httptest.ResponseRecorder {
	t.Helper()
	var r request
	for _, option := range options {
		option(&r)
	}
	if r.repeated {
		handler.ServeHTTP(httptest.NewRecorder(), newRequest(t, body, options))
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, newRequest(t, body, options))
	return answer
}

func newRequest(t testing.TB, body []byte, options []Option) *http.Request {
	t.Helper()
	r := request{target: "/webhooks/sonzai", secrets: []string{Secret}, at: time.Now()}
	for _, option := range options {
		option(&r)
	}
	for _, c := range r.changes {
		body = c.apply(t, body)
	}
	header := signature.SignAll(body, r.at.Add(-r.age), r.secrets...)
	if r.tampered {
		body = append(bytes.Clone(body), ' ')
	}
	req := httptest.NewRequest(http.MethodPost, r.target, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if !r.unsigned {
		req.Header.Set(sonzaihook.SignatureHeader, header)
	}
	if r.authorization != "" {
		req.Header.Set("Authorization", r.authorization)
	}
	return req
}
