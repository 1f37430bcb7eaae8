package adapters_test

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// Every mount gives the same answers to the same deliveries, and runs the
// callbacks as often.
func TestEveryMountAnswersTheSame(t *testing.T) {
	t.Parallel()
	for _, m := range mounts {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				if m.verifies && !c.admission {
					continue // claims, callbacks and verdicts are not the mount's
				}
				t.Run(c.name, func(t *testing.T) { compare(t, &m, &c) })
			}
		})
	}
}

// An exception that names no case would excuse nothing.
func TestEveryExceptionIsOfACaseAndHasAReason(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, c := range cases {
		require.False(t, known[c.name], "two cases %q", c.name)
		known[c.name] = true
	}
	for _, m := range mounts {
		for name, e := range m.except {
			require.True(t, known[name], "%s: no case %q", m.name, name)
			require.NotEmpty(t, e.reason)
		}
	}
}

func compare(t *testing.T, m *mount, c *sameCase) {
	e, excepted := m.except[c.name]
	if excepted && e.status == 0 {
		t.Skip(e.reason)
	}
	w := newWorld(t, m, c)
	drive := c.drive
	if drive == nil {
		drive = func(w *world) answer { return w.send(w.delivery()) }
	}
	got := drive(w)
	if excepted {
		require.Equal(t, e.status, got.status, e.reason)
		require.Contains(t, got.body, e.body, e.reason)
		require.Zero(t, w.hooks.Runs.Len(), e.reason)
		return
	}
	want := sonzaihook.Outcome{Code: c.code}
	require.Equal(t, c.status, got.status, "log: %s", &w.hooks.Log)
	require.Equal(t, string(want.Body()), got.body)
	require.Equal(t, c.runs, w.hooks.Runs.Len(), "runs")
	require.Equal(t, c.dead, w.hooks.DeadLetters.Len(), "dead letters")
	require.Equal(t, contentType(c.status), got.header.Get("Content-Type"))
	require.Equal(t, c.retryAfter, got.header.Get("Retry-After"))
	if c.status == http.StatusMethodNotAllowed {
		require.Equal(t, http.MethodPost, got.header.Get("Allow"))
	}
	if c.consume {
		require.Contains(t, w.hooks.Log.String(), m.hint)
	}
	require.Empty(t, w.serverLog.String(), "net/http complains of an answer that was written twice")
}

func contentType(status int) string {
	if status < http.StatusBadRequest {
		return "application/json"
	}
	return "application/problem+json"
}

// world is one receiver, mounted and listening, for one case.
type world struct {
	t      *testing.T
	hooks  *recorder.Receiver
	server *httptest.Server
	spoil  func(*delivery)
	event  []byte // every delivery is of this one

	running   chan struct{} // a callback that lingers has begun
	finish    chan struct{} // closed: it may end
	arrived   chan visit    // what the server was asked
	serverLog recorder.Log
}

// visit is a request that is at the server.
type visit struct {
	ctx  context.Context
	left chan struct{} // closed when the outermost handler has returned
}

func newWorld(t *testing.T, m *mount, c *sameCase) *world {
	t.Helper()
	w := &world{
		t: t, spoil: c.spoil, event: hooktest.Fixture(t, sonzaihook.EventMessage),
		running: make(chan struct{}, 1), finish: make(chan struct{}), arrived: make(chan visit, 100),
	}
	w.hooks = newReceiver(t, w, c)
	if c.arrange != nil {
		c.arrange(w)
	}
	handler := m.serve(&setup{hooks: w.hooks.Receiver, consume: c.consume, route: w.route})
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		v := visit{ctx: r.Context(), left: make(chan struct{})}
		select {
		case w.arrived <- v:
		default: // no case looks at so many
		}
		defer close(v.left)
		handler.ServeHTTP(rw, r)
	}))
	w.server.Config.ErrorLog = log.New(&w.serverLog, "", 0)
	w.server.Start()
	t.Cleanup(w.server.Close)
	return w
}

func newReceiver(t *testing.T, w *world, c *sameCase) *recorder.Receiver {
	t.Helper()
	hooks := recorder.New(t, c.secrets, append([]sonzaihook.Option{sonzaihook.WithMaxBody(maxBody)}, c.options...)...)
	run := func(ctx context.Context) error {
		hooks.Runs.Add(recorder.Run{})
		if c.callback == nil {
			return nil
		}
		return c.callback(ctx, w)
	}
	if !c.silent {
		hooks.OnMessage(func(ctx context.Context, _ *sonzaihook.MessageEvent) error { return run(ctx) })
		hooks.OnWakeup(func(ctx context.Context, _ *sonzaihook.WakeupEvent) error { return run(ctx) })
	}
	return hooks.KeepDeadLetters(c.keeping)
}

// route is the user's own handler behind a mount that only verifies. It answers
// like the receiver, so that the same table holds for it.
func (w *world) route(rw http.ResponseWriter, d *sonzaihook.Delivery, ok bool, body []byte) {
	w.hooks.Runs.Add(recorder.Run{})
	if !ok || d == nil || d.Type != sonzaihook.EventMessage || !bytes.Equal(body, d.Body) {
		http.Error(rw, "no delivery, or a body that cannot be read again", http.StatusTeapot)
		return
	}
	sonzaihook.Outcome{Status: http.StatusOK, Code: sonzaihook.CodeProcessed}.Respond(rw)
}

// delivery is what is sent.
type delivery struct {
	t       *testing.T
	method  string
	path    string
	header  http.Header
	body    []byte
	chunked bool
	options []hooktest.Option
}

// delivery returns the delivery of the case.
func (w *world) delivery() *delivery {
	d := &delivery{
		t: w.t, method: http.MethodPost, path: "/webhooks/sonzai/agent.message",
		header: http.Header{}, body: bytes.Clone(w.event),
	}
	if w.spoil != nil {
		w.spoil(d)
	}
	return d
}

func (d *delivery) request(w *world) *http.Request {
	signed := hooktest.NewRequest(d.t, d.body, d.options...)
	body, err := io.ReadAll(signed.Body)
	require.NoError(d.t, err)
	var reader io.Reader = bytes.NewReader(body)
	if d.chunked {
		reader = io.MultiReader(reader) // of unknown length
	}
	req, err := http.NewRequestWithContext(d.t.Context(), d.method, w.server.URL+d.path, reader)
	require.NoError(d.t, err)
	req.Header = signed.Header
	for name, values := range d.header {
		req.Header[name] = values
	}
	return req
}

type answer struct {
	status int
	header http.Header
	body   string
}

// send may be called from any goroutine.
func (w *world) send(d *delivery) answer {
	res, err := w.server.Client().Do(d.request(w))
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{status: res.StatusCode, header: res.Header, body: string(body)}
}

// sendUntilSettled sends a delivery again, as the platform does, while it is told
// to come later: a copy still runs, or middleware has run out of time.
func (w *world) sendUntilSettled(d *delivery) answer {
	for {
		got := w.send(d)
		if got.status != http.StatusServiceUnavailable {
			return got
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *world) dial() net.Conn {
	conn, err := (&net.Dialer{}).DialContext(w.t.Context(), "tcp", w.server.Listener.Addr().String())
	require.NoError(w.t, err)
	return conn
}
