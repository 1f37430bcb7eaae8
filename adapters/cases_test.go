package adapters_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/validatehook"
	"github.com/sonzaihook/sonzaihook/hooktest"
)

// sameCase is one thing that can happen to a delivery.
type sameCase struct {
	name string
	// admission: it is decided before any callback, so that a mount that only
	// verifies must answer the same.
	admission bool
	secrets   sonzaihook.Secrets // Secret(hooktest.Secret) if nil
	options   []sonzaihook.Option
	consume   bool
	silent    bool // there is no callback
	// callback is what the receiver's callbacks do; nil: nothing.
	callback func(context.Context, *world) error
	keeping  error // what the dead letter returns
	// arrange readies the receiver further.
	arrange func(*world)
	// spoil changes the delivery that is sent.
	spoil func(*delivery)
	// drive sends something else than one delivery, and returns the answer that
	// counts.
	drive func(*world) answer

	status     int
	code       string
	retryAfter string
	runs       int
	dead       int
}

// maxBody is the receiver's limit in every case.
const maxBody = 16 << 10

var errCallback = errors.New("the database is away")

var cases = []sameCase{
	// what is accepted
	{name: "accepted", admission: true, status: 200, code: sonzaihook.CodeProcessed, runs: 1},
	{name: "accepted, chunked", admission: true, status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		spoil: func(d *delivery) { d.chunked = true }},
	{name: "accepted, near the limit", admission: true, status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		spoil: func(d *delivery) { d.body = messageOf(6 << 10) }},
	{name: "the signature in two lines", admission: true, status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		spoil: signatureLines(func(line string) []string { return strings.SplitN(line, ",", 2) })},
	{name: "the same signature twice", admission: true, status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		spoil: signatureLines(func(line string) []string { return []string{line, line} })},
	{name: "content encoding UTF-8", admission: true, status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		spoil: header("Content-Encoding", "UTF-8")},
	{name: "content type twice in one line", admission: true, status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		spoil: header("Content-Type", "application/json, application/json")},
	{name: "type in the path", status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		secrets: sonzaihook.Secrets{sonzaihook.EventWakeup: {hooktest.Secret}},
		spoil:   bareWakeup("agent.wakeup")},
	{name: "type in the path, escaped", status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		secrets: sonzaihook.Secrets{sonzaihook.EventWakeup: {hooktest.Secret}},
		spoil:   bareWakeup("agent%2Ewakeup")},
	{name: "a copy", status: 200, code: sonzaihook.CodeDuplicate, runs: 1, drive: func(w *world) answer {
		w.send(w.delivery())
		return w.send(w.delivery())
	}},
	{name: "no callback", silent: true, status: 200, code: sonzaihook.CodeIgnored},
	{name: "ignored", status: 200, code: sonzaihook.CodeIgnored, runs: 1,
		callback: func(context.Context, *world) error { return sonzaihook.Ignore("seen enough") }},
	{name: "queued", status: 202, code: sonzaihook.CodeQueued, runs: 1,
		callback: func(context.Context, *world) error { return sonzaihook.Queued() }},

	// what is refused before it runs
	{name: "wrong method GET", admission: true, status: 405, code: sonzaihook.CodeMethodNotAllowed,
		spoil: func(d *delivery) { d.method = http.MethodGet }},
	{name: "wrong method PUT", admission: true, status: 405, code: sonzaihook.CodeMethodNotAllowed,
		spoil: func(d *delivery) { d.method = http.MethodPut }},
	{name: "wrong method OPTIONS", admission: true, status: 405, code: sonzaihook.CodeMethodNotAllowed,
		spoil: func(d *delivery) { d.method = http.MethodOptions }},
	{name: "wrong content type", admission: true, status: 415, code: sonzaihook.CodeUnsupportedMediaType,
		spoil: header("Content-Type", "text/plain")},
	{name: "form content type", admission: true, status: 415, code: sonzaihook.CodeUnsupportedMediaType,
		spoil: header("Content-Type", "application/x-www-form-urlencoded")},
	{name: "content encoding", admission: true, status: 415, code: sonzaihook.CodeUnsupportedMediaType,
		spoil: compressed},
	{name: "content encoding that is not true", admission: true, status: 415, code: sonzaihook.CodeUnsupportedMediaType,
		spoil: header("Content-Encoding", "gzip")},
	{name: "over the limit, announced", admission: true, status: 413, code: sonzaihook.CodeBodyTooLarge,
		spoil: func(d *delivery) { d.body = messageOf(maxBody) }},
	{name: "over the limit, chunked", admission: true, status: 413, code: sonzaihook.CodeBodyTooLarge,
		spoil: func(d *delivery) { d.body, d.chunked = messageOf(maxBody), true }},
	{name: "unsigned", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		spoil: signed(hooktest.Unsigned())},
	{name: "malformed signature", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		spoil: header(sonzaihook.SignatureHeader, "t=now,v1=abc")},
	{name: "tampered", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		spoil: signed(hooktest.Tampered())},
	{name: "stale", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		spoil: signed(hooktest.Stale())},
	{name: "another secret", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		spoil: signed(hooktest.SignedWith("whsec_of_another_tenant"))},
	{name: "the secret of another type", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		secrets: sonzaihook.Secrets{sonzaihook.EventWakeup: {hooktest.Secret}}},
	{name: "wrong authorization", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		options: []sonzaihook.Option{sonzaihook.WithAuthorization("Bearer expected")},
		spoil:   header("Authorization", "Bearer other")},
	{name: "empty body", admission: true, status: 401, code: sonzaihook.CodeUnauthorized,
		spoil: func(d *delivery) {
			d.header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign(d.body, hooktest.Secret, time.Now()))
			d.body = nil
		}},
	{name: "body consumed", admission: true, consume: true, status: 500, code: sonzaihook.CodeBodyConsumed},
	{name: "body consumed, chunked", admission: true, consume: true, status: 500, code: sonzaihook.CodeBodyConsumed,
		spoil: func(d *delivery) { d.chunked = true }},
	{name: "undecodable", admission: true, status: 400, code: sonzaihook.CodeUndecodable, dead: 1,
		spoil: func(d *delivery) { d.body = []byte(`{"event_type":"agent.message","agent_id":`) }},
	{name: "no type", admission: true, status: 400, code: sonzaihook.CodeUndecodable, dead: 1,
		spoil: func(d *delivery) { d.body = []byte(`{"agent_id":"a"}`) }},
	{name: "no type, another in the path", status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		secrets: sonzaihook.Secrets{sonzaihook.EventWakeup: {hooktest.Secret}},
		spoil:   bareWakeup("agent.message")},
	{name: "no type, but a secret for all", status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		spoil: bareWakeup("agent.wakeup")},
	{name: "invalid", status: 422, code: sonzaihook.CodeInvalid, dead: 1,
		options: []sonzaihook.Option{sonzaihook.WithValidator(validatehook.New())},
		spoil:   func(d *delivery) { d.body = []byte(`{"event_type":"agent.message","agent_id":"a","data":{}}`) }},

	// what runs and fails
	{name: "rejected", status: 422, code: sonzaihook.CodeRejected, runs: 1, dead: 1,
		callback: func(context.Context, *world) error { return sonzaihook.Permanent(errCallback) }},
	{name: "dead letter not kept", status: 500, code: sonzaihook.CodeFailed, runs: 1, dead: 1,
		callback: func(context.Context, *world) error { return sonzaihook.Permanent(errCallback) },
		keeping:  errCallback},
	{name: "handler error", status: 500, code: sonzaihook.CodeFailed, runs: 1,
		callback: func(context.Context, *world) error { return errCallback }},
	{name: "handler error that looks like a framework's", status: 500, code: sonzaihook.CodeFailed, runs: 1,
		callback: func(context.Context, *world) error { return echo.ErrForbidden }},
	{name: "handler timeout", status: 500, code: sonzaihook.CodeFailed, runs: 1,
		options: []sonzaihook.Option{sonzaihook.WithHandlerTimeout(10 * time.Millisecond)},
		callback: func(ctx context.Context, _ *world) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}},
	{name: "panic", status: 500, code: sonzaihook.CodePanicked, runs: 1,
		callback: func(context.Context, *world) error { panic("a bug") }},
	{name: "http.ErrAbortHandler", status: 500, code: sonzaihook.CodePanicked, runs: 1,
		callback: func(context.Context, *world) error { panic(http.ErrAbortHandler) }},
	{name: "retry later", status: 503, code: sonzaihook.CodeRetryLater, retryAfter: "90", runs: 1,
		callback: func(context.Context, *world) error { return sonzaihook.RetryAfter(errCallback, 90*time.Second) }},
	{name: "store unavailable", status: 503, code: sonzaihook.CodeStoreUnavailable, retryAfter: "5",
		options: []sonzaihook.Option{sonzaihook.WithStore(brokenStore{})}},
	{name: "shutting down", status: 503, code: sonzaihook.CodeShuttingDown, retryAfter: "5",
		arrange: func(w *world) { require.NoError(w.t, w.hooks.Shutdown(w.t.Context())) }},

	// what happens meanwhile
	{name: "in flight", status: 503, code: sonzaihook.CodeInFlight, retryAfter: "5", runs: 1,
		callback: lingerIn, drive: whileRunning((*world).delivery)},
	{name: "overloaded", status: 503, code: sonzaihook.CodeOverloaded, retryAfter: "1", runs: 1,
		options:  []sonzaihook.Option{sonzaihook.WithMaxInFlight(1)},
		callback: lingerIn, drive: whileRunning(anotherDelivery)},
	{name: "client gone while it runs", status: 200, code: sonzaihook.CodeDuplicate, runs: 1,
		callback: lingerIn, drive: goneWhileRunning},
	{name: "client gone while it sends", status: 200, code: sonzaihook.CodeProcessed, runs: 1,
		drive: goneWhileSending},
}

// messageOf returns a message whose content has n bytes.
func messageOf(n int) []byte {
	body, _ := json.Marshal(map[string]any{
		"event_type": "agent.message", "event_id": "evt_large", "agent_id": "agent_luna",
		"data": map[string]string{"content": strings.Repeat("x", n)},
	})
	return body
}

func bareWakeup(inPath string) func(*delivery) {
	return func(d *delivery) {
		d.body, d.path = hooktest.BareWakeup(d.t), "/webhooks/sonzai/"+inPath
	}
}

func header(name, value string) func(*delivery) {
	return func(d *delivery) { d.header.Set(name, value) }
}

// signatureLines sends the signature in several header lines, as gateways do.
func signatureLines(split func(line string) []string) func(*delivery) {
	return func(d *delivery) {
		line := sonzaihook.Sign(d.body, hooktest.Secret, time.Now())
		d.header[http.CanonicalHeaderKey(sonzaihook.SignatureHeader)] = split(line)
	}
}

func signed(options ...hooktest.Option) func(*delivery) {
	return func(d *delivery) { d.options = options }
}

func compressed(d *delivery) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(d.body)
	_ = w.Close()
	d.body = b.Bytes()
	d.header.Set("Content-Encoding", "gzip")
}

// brokenStore is a store that is away.
type brokenStore struct{ sonzaihook.Store }

func (brokenStore) Claim(context.Context, string, string, time.Duration) (sonzaihook.State, error) {
	return 0, errors.New("connection refused")
}

func anotherDelivery(w *world) *delivery {
	d := w.delivery()
	d.body = messageOf(1)
	return d
}

// lingerIn is a callback that runs until the case says that it may end.
func lingerIn(_ context.Context, w *world) error {
	w.running <- struct{}{}
	<-w.finish
	return nil
}

// whileRunning sends a second delivery while the first one runs.
func whileRunning(second func(*world) *delivery) func(*world) answer {
	return func(w *world) answer {
		first := make(chan answer, 1)
		go func() { first <- w.send(w.delivery()) }()
		<-w.running
		got := w.send(second(w))
		close(w.finish)
		require.Equal(w.t, http.StatusOK, (<-first).status)
		return got
	}
}

// goneWhileRunning hangs up on a running callback and sends a copy.
func goneWhileRunning(w *world) answer {
	conn := w.dial()
	require.NoError(w.t, w.delivery().request(w).Write(conn))
	seen := <-w.arrived
	<-w.running
	require.NoError(w.t, conn.Close())
	<-seen.ctx.Done()
	close(w.finish)
	return w.sendUntilSettled(w.delivery())
}

// goneWhileSending hangs up in the middle of the body and sends a copy.
func goneWhileSending(w *world) answer {
	var whole bytes.Buffer
	require.NoError(w.t, w.delivery().request(w).Write(&whole))
	conn := w.dial()
	_, err := conn.Write(whole.Bytes()[:whole.Len()-100])
	require.NoError(w.t, err)
	seen := <-w.arrived
	require.NoError(w.t, conn.Close())
	<-seen.left
	require.Zero(w.t, w.hooks.Runs.Len())
	return w.sendUntilSettled(w.delivery())
}
