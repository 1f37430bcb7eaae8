package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// outage is a platform whose events went to a server that was down. The secrets
// are in files.
type outage struct {
	land
	files string
	url   string      // of the server
	up    atomic.Bool // whether the server answers
	sees  atomic.Pointer[http.Handler]
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	o := &outage{land: newLand(t), files: filepath.Join(t.TempDir(), eventPlace)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !o.up.Load() {
			panic(http.ErrAbortHandler)
		}
		(*o.sees.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	o.fine(t, "webhooks", "register", "message", "wakeup", "--url", server.URL+"/{event}", "--secret-file", o.files, "--auth-header", "Bearer open")
	event := saying("msg_1", "hello")
	event.ProjectID = ""
	o.happens(t, event)
	o.happens(t, simulator.Event{Type: "agent.wakeup", ID: "evt_wk", Data: map[string]any{
		"wakeup": map[string]string{"wakeup_id": "wk_1", "intent": "say hi"},
	}})
	return o
}

// serve brings the server up, with a receiver that has the secrets, and returns
// it.
func (o *outage) serve(t *testing.T) *recorder.Receiver {
	t.Helper()
	secrets := sonzaihook.Secrets{}
	for _, eventType := range []sonzaihook.EventType{sonzaihook.EventMessage, sonzaihook.EventWakeup} {
		secret, err := reveal("@" + strings.ReplaceAll(o.files, eventPlace, string(eventType)))
		require.NoError(t, err)
		secrets[eventType] = []string{secret}
	}
	hooks := recorder.New(t, secrets, sonzaihook.WithAuthorization("Bearer open")).HandleAll(nil)
	var handler http.Handler = hooks
	o.sees.Store(&handler)
	o.up.Store(true)
	return hooks
}

func TestADryRunListsWhatWasMissed(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	require.Equal(t, []string{
		"WHEN TYPE EVENT TRIES GOT WHAT",
		"now agent.message evt_msg_1 2 none “hello”",
		"now agent.wakeup evt_wk 2 none to say hi",
	}, tableLines(o.fine(t, "replay", "--dry-run")))
	require.Len(t, tableLines(o.fine(t, "replay", "wakeup", "--dry-run", "--since", "1h")), 2)
	require.Equal(t, "nothing was missed\n", o.fine(t, "replay", "--dry-run", "--since", "2100-01-01T00:00:00Z"))
	require.Equal(t, "nothing was missed\n", o.fine(t, "replay", "--dry-run", "--project", testProject))
	object := objects(t, o.fine(t, "replay", "--dry-run", "--json", "message"))[0]
	require.Equal(t, "evt_msg_1", object["event_id"])
	require.InDelta(t, 2, object["attempts"], 0)
	require.NotContains(t, object, "status")
	require.Len(t, o.Attempts("", "agent.message"), 2, "nothing was sent")
}

func TestAReplaySendsEachMissedEventSignedWithItsOwnSecret(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	hooks := o.serve(t)
	replay := []string{"replay", "--secret", "@" + o.files}
	require.Equal(t, []string{
		"WHEN TYPE EVENT TRIES GOT NOW WHAT",
		"now agent.message evt_msg_1 2 none 200 processed “hello”",
		"now agent.wakeup evt_wk 2 none 200 processed to say hi",
	}, tableLines(o.fine(t, replay...)))
	require.Equal(t, 2, hooks.Runs.Len())

	again := objects(t, o.fine(t, append(replay, "--json")...))
	require.Equal(t, "duplicate", again[0]["outcome"], "the platform's log does not know of a replay, but the server does")
	require.Equal(t, 2, hooks.Runs.Len())
}

func TestAReplayThatDoesNotGetThroughIsAFailure(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	got := o.do(t, "replay", "--secret", "@"+o.files)
	require.Equal(t, console.ExitNo, got.code)
	require.Equal(t, "sonzaihook: 2 of 2 not recovered (EOF): mend the server, then replay again\n", got.errOut)
	require.Equal(t, "now agent.message evt_msg_1 2 none unanswered EOF", tableLines(got.out)[1])

	o.serve(t)
	got = o.do(t, "replay", "--secret", "whsec_wrong")
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, tableLines(got.out)[1], "401 unauthorized")

	got = o.do(t, "replay", "--secret", "@"+o.files+".gone")
	require.Equal(t, console.ExitTrouble, got.code)
	require.Contains(t, got.errOut, "agent.message.gone: no such file or directory")
	require.Empty(t, got.out)
}

func TestAReplayGivesUpOnASilentServer(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	for _, id := range []string{"msg_2", "msg_3", "msg_4"} {
		event := saying(id, "hello")
		event.ProjectID = ""
		o.happens(t, event)
	}
	list := objects(t, o.do(t, "replay", "--json", "--secret", "@"+o.files).out)
	require.Len(t, list, 5)
	for i, m := range list {
		if i < silence {
			require.Equal(t, "unanswered", m["outcome"])
		} else {
			require.NotContains(t, m, "outcome")
			require.Equal(t, "the server does not answer", m["error"])
		}
	}
}

func TestAReplayCanGoElsewhere(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	hooks := o.serve(t)
	o.fine(t, "webhooks", "delete", "message")
	got := o.do(t, "replay", "message", "--secret", "@"+o.files)
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.out, "not sent")
	require.Contains(t, got.out, "the type is registered no more: say where to with --url")

	var in inbox
	url := in.start(t, func(http.ResponseWriter, *http.Request) {})
	require.Contains(t, o.fine(t, "replay", "message", "--secret", "@"+o.files, "--url", url+"/{event}"), "200 OK")
	require.Equal(t, "/agent.message", in.requests[0].URL.Path)
	require.Zero(t, hooks.Runs.Len())
}
