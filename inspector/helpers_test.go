package inspector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/inspector"
	"github.com/sonzaihook/sonzaihook/testdata"
)

// desk is a receiver with an inspector, and counts what its callback was given.
type desk struct {
	t       testing.TB
	hooks   *sonzaihook.Receiver
	page    *inspector.Inspector
	handler http.Handler
	ran     atomic.Int32
	err     atomic.Pointer[error]
}

func newDesk(t testing.TB, options ...inspector.Option) *desk {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	d := &desk{t: t, hooks: hooks}
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		d.ran.Add(1)
		if err := d.err.Load(); err != nil {
			return *err
		}
		return nil
	})
	d.page = inspector.New(hooks, append([]inspector.Option{inspector.WithSecrets(sonzaihook.Secret(hooktest.Secret))}, options...)...)
	d.handler = d.page.Capture(hooks)
	return d
}

func (d *desk) fails(text string) {
	err := errors.New(text)
	d.err.Store(&err)
}

func (d *desk) deliver(body []byte, options ...hooktest.Option) int {
	return hooktest.Deliver(d.t, d.handler, body, options...).Code
}

func (d *desk) message(options ...hooktest.Option) int {
	return d.deliver(fixed(d.t), options...)
}

// get asks for a page from the loopback interface.
func (d *desk) get(path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	return d.ask(http.MethodGet, path, nil, change...)
}

func (d *desk) post(path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	return d.ask(http.MethodPost, path, form, change...)
}

func (d *desk) ask(method, path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	d.t.Helper()
	req := httptest.NewRequestWithContext(d.t.Context(), method, "http://localhost:4041"+path, strings.NewReader(form.Encode()))
	req.RemoteAddr = "127.0.0.1:50000"
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(req)
	}
	w := httptest.NewRecorder()
	d.page.Handler().ServeHTTP(w, req)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(req *http.Request) { req.Header.Set(name, value) }
}

func from(address string) func(*http.Request) {
	return func(req *http.Request) { req.RemoteAddr = address }
}

func host(name string) func(*http.Request) {
	return func(req *http.Request) { req.Host = name }
}

// body returns a message that says something of the caller's.
func body(t testing.TB, content string) []byte {
	t.Helper()
	quoted, err := json.Marshal(content)
	require.NoError(t, err)
	return bytes.Replace(fixed(t), []byte(`"I kept thinking about your sister's recital. How did it go?"`), quoted, 1)
}

// fixed returns the body of one message, always the same bytes.
func fixed(t testing.TB) []byte {
	t.Helper()
	body, err := testdata.Files.ReadFile("agent.message.json")
	require.NoError(t, err)
	return body
}

func containsAll(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
