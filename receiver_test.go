package sonzaihook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/sonzaihook/sonzaihook/testdata"
	"github.com/stretchr/testify/require"
)

func code(t testing.TB, answer *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Code string }
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &body))
	return body.Code
}

// fixed returns the body of one event of a type, always the same bytes, where each
// call of hooktest.Fixture returns another event.
func fixed(t testing.TB, typ sonzaihook.EventType) []byte { return bodyFile(t, string(typ)+".json") }

// fixedFlat is fixed for the flat layout.
func fixedFlat(t testing.TB, typ sonzaihook.EventType) []byte {
	return bodyFile(t, string(typ)+".flat.json")
}

func bodyFile(t testing.TB, name string) []byte {
	t.Helper()
	body, err := testdata.Files.ReadFile(name)
	require.NoError(t, err)
	return body
}

func message(t testing.TB) []byte { return fixed(t, sonzaihook.EventMessage) }

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := sonzaihook.Secret("whsec_abc")
	for name, secrets := range map[string]sonzaihook.Secrets{
		"none":                    nil,
		"an empty map":            {},
		"a type without":          {sonzaihook.EventMessage: {}},
		"a type without a name":   {"": {"abc"}},
		"an empty one":            sonzaihook.Secret(""),
		"a blank one":             sonzaihook.Secret(" \t\n"),
		"nothing but the prefix":  sonzaihook.Secret("whsec_"),
		"a blank behind a prefix": sonzaihook.Secret("whsec_ "),
		"white space before":      sonzaihook.Secret(" abc"),
		"white space after":       sonzaihook.Secret("abc\n"),
		"a bad one among good":    {sonzaihook.AnyEvent: {"abc", ""}},
	} {
		_, err := sonzaihook.New(secrets)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidSecret, name)
	}
	for name, option := range map[string]sonzaihook.Option{
		"nil":                nil,
		"no tolerance":       sonzaihook.WithTolerance(0),
		"negative tolerance": sonzaihook.WithTolerance(-1),
		"no body":            sonzaihook.WithMaxBody(0),
		"no clock":           sonzaihook.WithClock(nil),
		"negative timeout":   sonzaihook.WithHandlerTimeout(-1),
		"no logger":          sonzaihook.WithLogger(nil),
		"negative bound":     sonzaihook.WithMaxInFlight(-1),
		"no lease":           sonzaihook.WithLease(0),
	} {
		_, err := sonzaihook.New(good, option)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidOption, name)
	}
	for name, option := range map[string]sonzaihook.Option{
		"store off":         sonzaihook.WithStore(nil),
		"timeout off":       sonzaihook.WithHandlerTimeout(0),
		"validator off":     sonzaihook.WithValidator(nil),
		"observer off":      sonzaihook.WithObserver(nil),
		"identity off":      sonzaihook.WithIdentity(nil),
		"authorization off": sonzaihook.WithAuthorization(""),
		"bound off":         sonzaihook.WithMaxInFlight(0),
	} {
		_, err := sonzaihook.New(good, option)
		require.NoError(t, err, name)
	}
}

// row is one row of the table of answers: how to provoke it over a real server,
// and what the platform then reads.
type row struct {
	name    string
	options []sonzaihook.Option
	setup   func(h *recorder.Receiver)
	request func(t *testing.T, req *http.Request) *http.Request
	body    []byte
	sign    []hooktest.Option
	wrap    func(http.Handler) http.Handler

	status int
	code   string
	retry  string
	err    error
	runs   int
}

var answerRows = []row{
	{name: "processed", status: 200, code: "processed", runs: 1},
	{name: "ignored for lack of a callback", setup: func(h *recorder.Receiver) {}, status: 200, code: "ignored"},
	{name: "ignored by a callback", setup: func(h *recorder.Receiver) { h.HandleAll(sonzaihook.Ignore("not ours")) }, status: 200, code: "ignored", runs: 1},
	{name: "queued", setup: func(h *recorder.Receiver) { h.HandleAll(sonzaihook.Queued()) }, status: 202, code: "queued", runs: 1},

	{name: "not JSON", body: []byte("hello"), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "nothing", body: []byte(" "), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "an array", body: []byte(`[{"type":"agent.message"}]`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "null", body: []byte(`null`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "duplicate keys", body: []byte(`{"type":"agent.message","data":{"content":"private","content":"b"}}`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "duplicate unknown keys", body: []byte(`{"type":"agent.message","x":{"private":1,"private":1}}`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "invalid UTF-8", body: []byte("{\"type\":\"agent.message\",\"data\":{\"content\":\"\xff\"}}"), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "trailing data", body: []byte(`{"type":"agent.message"}{}`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "too deep", body: []byte(`{"type":"agent.message","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "no type", body: []byte(`{"data":{"content":"private"}}`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "a type of another kind", body: []byte(`{"event_type":{"private":1},"type":"agent.message"}`), status: 400, code: "undecodable", err: sonzaihook.ErrUndecodable},
	{name: "a struct that does not fit", body: []byte(`{"type":"lead.enriched","data":{"score":"private"}}`), setup: func(h *recorder.Receiver) {
		sonzaihook.On(h.Receiver, "lead.enriched", func(context.Context, *sonzaihook.Event[lead]) error { return nil })
	}, status: 500, code: "failed", err: sonzaihook.ErrMisfit},
	{name: "a struct that does not fit, kept", body: []byte(`{"type":"lead.enriched","data":{"score":"private"}}`), setup: func(h *recorder.Receiver) {
		sonzaihook.On(h.Receiver, "lead.enriched", func(context.Context, *sonzaihook.Event[lead]) error { return nil })
		h.KeepDeadLetters(nil)
	}, status: 422, code: "rejected", err: sonzaihook.ErrMisfit},

	{name: "no signature", sign: []hooktest.Option{hooktest.Unsigned()}, status: 401, code: "unauthorized", err: sonzaihook.ErrMissingSignature},
	{name: "malformed signature", request: header(sonzaihook.SignatureHeader, "t=1,v1=zz"), status: 401, code: "unauthorized", err: sonzaihook.ErrMalformedSignature},
	{name: "two signature lines with a time each", request: func(_ *testing.T, req *http.Request) *http.Request {
		req.Header.Add(sonzaihook.SignatureHeader, sonzaihook.Sign(nil, "other", time.Unix(1, 0)))
		return req
	}, status: 401, code: "unauthorized", err: sonzaihook.ErrMalformedSignature},
	{name: "wrong signature", sign: []hooktest.Option{hooktest.SignedWith("whsec_other")}, status: 401, code: "unauthorized", err: sonzaihook.ErrSignatureMismatch},
	{name: "tampered", sign: []hooktest.Option{hooktest.Tampered()}, status: 401, code: "unauthorized", err: sonzaihook.ErrSignatureMismatch},
	{name: "too old", sign: []hooktest.Option{hooktest.Stale()}, status: 401, code: "unauthorized", err: sonzaihook.ErrTimestampOutsideTolerance},
	{name: "too new", sign: []hooktest.Option{hooktest.At(time.Now().Add(time.Hour))}, status: 401, code: "unauthorized", err: sonzaihook.ErrTimestampOutsideTolerance},
	{name: "secret of another type", sign: []hooktest.Option{hooktest.SignedWith("whsec_wakeup")}, status: 401, code: "unauthorized", err: sonzaihook.ErrSecretOfOtherType},
	{name: "secret of another type under an escaped one", body: []byte(`{"type":"agent\u002emessage"}`), sign: []hooktest.Option{hooktest.SignedWith("whsec_wakeup")}, status: 401, code: "unauthorized", err: sonzaihook.ErrSecretOfOtherType},
	{name: "no Authorization", options: []sonzaihook.Option{sonzaihook.WithAuthorization("Bearer abc")}, status: 401, code: "unauthorized", err: sonzaihook.ErrWrongAuthorization},
	{name: "wrong Authorization", options: []sonzaihook.Option{sonzaihook.WithAuthorization("Bearer abc")}, sign: []hooktest.Option{hooktest.Authorization("Bearer private")}, status: 401, code: "unauthorized", err: sonzaihook.ErrWrongAuthorization},

	{name: "GET", request: method(http.MethodGet), status: 405, code: "method_not_allowed", err: sonzaihook.ErrMethodNotAllowed},
	{name: "PUT", request: method(http.MethodPut), status: 405, code: "method_not_allowed", err: sonzaihook.ErrMethodNotAllowed},
	{name: "announced over the limit", options: []sonzaihook.Option{sonzaihook.WithMaxBody(100)}, status: 413, code: "body_too_large", err: sonzaihook.ErrBodyTooLarge},
	{name: "chunked over the limit", options: []sonzaihook.Option{sonzaihook.WithMaxBody(100)}, request: chunked, status: 413, code: "body_too_large", err: sonzaihook.ErrBodyTooLarge},
	{name: "over the limit of a middleware", wrap: func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 50) }, status: 413, code: "body_too_large", err: sonzaihook.ErrBodyTooLarge},
	{name: "a form", request: header("Content-Type", "application/x-www-form-urlencoded"), status: 415, code: "unsupported_media_type", err: sonzaihook.ErrUnsupportedMediaType},
	{name: "an unreadable content type", request: header("Content-Type", "a/b/c"), status: 415, code: "unsupported_media_type", err: sonzaihook.ErrUnsupportedMediaType},
	{name: "compressed", request: header("Content-Encoding", "gzip"), status: 415, code: "unsupported_media_type", err: sonzaihook.ErrUnsupportedMediaType},

	{name: "invalid", options: []sonzaihook.Option{sonzaihook.WithValidator(refuseAll{})}, status: 422, code: "invalid", err: sonzaihook.ErrInvalid},
	{name: "rejected", setup: func(h *recorder.Receiver) { h.HandleAll(sonzaihook.Permanent(errUser)) }, status: 422, code: "rejected", err: errUser, runs: 1},

	{name: "failed", setup: func(h *recorder.Receiver) { h.HandleAll(errUser) }, status: 500, code: "failed", err: errUser, runs: 1},
	{name: "failed with an error of ours", setup: func(h *recorder.Receiver) { h.HandleAll(sonzaihook.ErrUndecodable) }, status: 500, code: "failed", err: sonzaihook.ErrUndecodable, runs: 1},
	{name: "panicked", setup: panics("boom"), status: 500, code: "panicked", err: sonzaihook.ErrPanicked, runs: 1},
	{name: "aborted", setup: panics(http.ErrAbortHandler), status: 500, code: "panicked", err: sonzaihook.ErrPanicked, runs: 1},
	{name: "dead letter not kept", setup: func(h *recorder.Receiver) {
		h.HandleAll(sonzaihook.Permanent(errors.New("no")))
		h.KeepDeadLetters(errUser)
	}, status: 500, code: "failed", err: errUser, runs: 1},
	{name: "body consumed", wrap: consume(1 << 20), status: 500, code: "body_consumed", err: sonzaihook.ErrBodyConsumed},
	{name: "body half consumed", wrap: consume(10), status: 500, code: "body_consumed", err: sonzaihook.ErrBodyConsumed},
	{name: "body closed", wrap: closeBody, status: 500, code: "body_consumed", err: sonzaihook.ErrBodyConsumed},
	{name: "chunked body consumed", request: chunked, wrap: consume(1 << 20), status: 500, code: "body_consumed", err: sonzaihook.ErrBodyConsumed},

	{name: "in flight", options: []sonzaihook.Option{sonzaihook.WithStore(stubStore{state: sonzaihook.InFlight})}, status: 503, code: "in_flight", retry: "5", err: sonzaihook.ErrInFlight},
	{name: "store unavailable", options: []sonzaihook.Option{sonzaihook.WithStore(stubStore{err: errUser})}, status: 503, code: "store_unavailable", retry: "5", err: errUser},
	{name: "shutting down", setup: func(h *recorder.Receiver) {
		h.HandleAll(nil)
		_ = h.Shutdown(context.Background())
	}, status: 503, code: "shutting_down", retry: "5", err: sonzaihook.ErrShuttingDown},
	{name: "body unreadable", wrap: breakBody, status: 503, code: "body_unreadable", retry: "1", err: sonzaihook.ErrBodyUnreadable},
	{name: "retry later", setup: func(h *recorder.Receiver) { h.HandleAll(sonzaihook.RetryAfter(errUser, 90500*time.Millisecond)) }, status: 503, code: "retry_later", retry: "91", err: errUser, runs: 1},
	{name: "duplicate", options: []sonzaihook.Option{sonzaihook.WithStore(stubStore{state: sonzaihook.Done})}, status: 200, code: "duplicate"},
}

var errUser = errors.New("an error of the user's")

func TestEveryRowOfTheTableOfAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range answerRows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.check(t)
		})
	}
}

func (row row) check(t *testing.T) {
	h := recorder.New(t, sonzaihook.Secrets{
		sonzaihook.AnyEvent:    {hooktest.Secret},
		sonzaihook.EventWakeup: {"whsec_wakeup"},
	}, row.options...)
	if row.setup == nil {
		h.HandleAll(nil)
	} else {
		row.setup(h)
	}
	handler := http.Handler(h)
	if row.wrap != nil {
		handler = row.wrap(h)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	body := row.body
	if body == nil {
		body = message(t)
	}
	req := hooktest.NewRequest(t, body, append(row.sign, hooktest.To(server.URL))...)
	req.RequestURI = ""
	if row.request != nil {
		req = row.request(t, req)
	}
	signature := req.Header.Get(sonzaihook.SignatureHeader)
	res, err := server.Client().Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)

	require.Equal(t, row.status, res.StatusCode, string(answer))
	require.Equal(t, row.retry, res.Header.Get("Retry-After"))
	require.Equal(t, row.runs, h.Runs.Len(), "runs")
	if row.status >= 400 {
		require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
		var problem struct {
			Type, Title, Code string
			Status            int
		}
		require.NoError(t, json.Unmarshal(answer, &problem))
		require.Equal(t, row.code, problem.Code)
		require.Equal(t, row.status, problem.Status)
		require.Equal(t, http.StatusText(row.status), problem.Title)
		require.Equal(t, "about:blank", problem.Type)
	} else {
		require.Equal(t, "application/json", res.Header.Get("Content-Type"))
		require.JSONEq(t, `{"code":"`+row.code+`"}`, string(answer))
	}
	if row.status == http.StatusMethodNotAllowed {
		require.Equal(t, "POST", res.Header.Get("Allow"))
	}
	if row.status == http.StatusUnauthorized {
		require.Equal(t, unauthorizedBody, string(answer)) //nolint:testifylint // byte for byte
	}
	outcome := h.Outcomes.Last(t)
	require.Equal(t, row.status, outcome.Status)
	require.Equal(t, row.code, outcome.Code)
	require.Equal(t, sonzaihook.SourceWebhook, outcome.Source)
	if row.status >= 400 {
		require.ErrorIs(t, outcome.Err, row.err)
	}
	require.NotZero(t, outcome.Duration)
	if row.status == http.StatusUnauthorized {
		require.Empty(t, outcome.Type)
		require.Empty(t, outcome.DeliveryID)
	}
	for where, text := range map[string]string{"answer": string(answer), "log": h.Log.String()} {
		for what, secret := range map[string]string{
			"secret": strings.TrimPrefix(hooktest.Secret, "whsec_"), "secret of a type": "whsec_wakeup",
			"body": "recital", "part of a body": "private", "signature": signature, "authorization": "Bearer",
		} {
			if secret != "" {
				require.NotContains(t, text, secret, "the %s holds a %s", where, what)
			}
		}
	}
}

const unauthorizedBody = `{"type":"about:blank","title":"Unauthorized","status":401,"code":"unauthorized"}` + "\n"

func header(name, value string) func(*testing.T, *http.Request) *http.Request {
	return func(_ *testing.T, req *http.Request) *http.Request {
		req.Header.Set(name, value)
		return req
	}
}

func method(name string) func(*testing.T, *http.Request) *http.Request {
	return func(_ *testing.T, req *http.Request) *http.Request {
		req.Method = name
		return req
	}
}

func chunked(_ *testing.T, req *http.Request) *http.Request {
	req.ContentLength = -1
	return req
}

func panics(value any) func(h *recorder.Receiver) {
	return func(h *recorder.Receiver) {
		h.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
			h.Runs.Add(recorder.Run{})
			panic(value)
		})
	}
}

func consume(n int64) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, n)
			next.ServeHTTP(w, r)
		})
	}
}

func closeBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.Body.Close()
		next.ServeHTTP(w, r)
	})
}

func breakBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, 20), iotest.ErrReader(io.ErrUnexpectedEOF)))
		next.ServeHTTP(w, r)
	})
}

type refuseAll struct{}

func (refuseAll) Struct(any) error { return errUser }

// stubStore answers every claim in the same way.
type stubStore struct {
	state sonzaihook.State
	err   error
}

func (s stubStore) Claim(context.Context, string, string, time.Duration) (sonzaihook.State, error) {
	return s.state, s.err
}
func (s stubStore) Commit(context.Context, string, string, time.Duration) error { return nil }
func (s stubStore) Release(context.Context, string, string) error               { return nil }
