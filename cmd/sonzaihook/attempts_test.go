package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

func tenantsMessage(id string) func(t *testing.T, l land) {
	return func(t *testing.T, l land) {
		t.Helper()
		event := saying(id, "hello from "+id)
		event.ProjectID = ""
		l.happens(t, event)
	}
}

func TestAttemptsFollowsTheLogAndPrintsEachAttemptOnce(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	server := httptest.NewServer(hooks(t))
	t.Cleanup(server.Close)
	l.fine(t, "webhooks", "register", "message", "--url", server.URL)
	tenantsMessage("msg_0")(t, l)
	tenantsMessage("msg_1")(t, l)
	r := l.start(t, "webhooks", "attempts", "message", "--follow", "--limit", "1", "--interval", "10ms")
	r.says(t, &r.out, "evt_msg_1")
	tenantsMessage("msg_2")(t, l)
	tenantsMessage("msg_3")(t, l)
	r.says(t, &r.out, "evt_msg_3")
	require.Equal(t, console.ExitYes, r.end(t))
	rows := tableLines(r.out.String())
	require.Len(t, rows, 3, "each once, and none that is older than the first")
	for i, id := range []string{"evt_msg_1", "evt_msg_2", "evt_msg_3"} {
		require.Regexp(t, `^\d\d:\d\d:\d\d `+id+` #1 401 unauthorized \d+ ms$`, rows[i], "the oldest first")
	}
	require.Contains(t, r.errOut.String(), "following agent.message; interrupt to end")
}

func TestAttemptsFollowsOnAfterAnOutageOfThePlatform(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		id := map[int64]string{1: "1"}[calls.Load()]
		if n := calls.Add(1); n >= 2 && n < 6 { // longer than the client tries
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		} else if n >= 6 {
			id = "2"
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"attempts": []map[string]any{{"attempt_id": "att_" + id, "response_code": 200}}})
	}))
	t.Cleanup(platform.Close)
	r := pointed(platform.URL+"/api/v1").start(t, "webhooks", "attempts", "message", "--follow", "--json", "--interval", "1ms")
	r.says(t, &r.out, `"att_2"`)
	require.Contains(t, r.errOut.String(), "! GET /webhooks/agent.message/attempts: 503")
	require.Equal(t, console.ExitYes, r.end(t))
}

func TestAttemptsShowFindsAnEventByItsIdOrThatOfAnAttempt(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	l.fine(t, "webhooks", "register", "wakeup", "message", "--url", nowhere)
	tenantsMessage("msg_1")(t, l)
	tenantsMessage("msg_2")(t, l)

	rows := tableLines(l.fine(t, "webhooks", "attempts", "show", "evt_msg_1"))
	require.Len(t, rows, 4)
	require.Equal(t, "agent.message evt_msg_1", rows[0])
	require.Equal(t, "2 attempts to deliver it to "+nowhere, rows[1])
	require.Regexp(t, `^#1 \S+ \S+Z unanswered \d+ ms .*refused$`, rows[2])
	require.NotContains(t, rows, "hello")

	list := objects(t, l.fine(t, "webhooks", "attempts", "show", "evt_msg_2", "--json"))
	require.Len(t, list, 2)
	require.Equal(t, "evt_msg_2", list[0]["event_id"])
	require.NotContains(t, list[0], "request_body")
	id := list[1]["attempt_id"].(string)
	require.Len(t, objects(t, l.fine(t, "webhooks", "attempts", "show", id, "--type", "message", "--json")), 2)

	require.Contains(t, l.fine(t, "webhooks", "attempts", "show", "evt_msg_1", "--bodies"), `"content": "hello from msg_1"`)

	l.fine(t, "webhooks", "delete", "--all")
	require.Len(t, objects(t, l.fine(t, "webhooks", "attempts", "show", "evt_msg_1", "--json")), 2, "the log outlives the registration")

	got := l.do(t, "webhooks", "attempts", "show", "evt_nope")
	require.Equal(t, result{console.ExitNo, "", "sonzaihook: no attempt in the delivery log is about \"evt_nope\"\n"}, got)
	require.Equal(t, console.ExitTrouble, l.do(t, "webhooks", "attempts", "show").code)
}

func TestAReplayOfOneEventSendsItAlsoIfItWasDelivered(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	hooks := o.serve(t)
	tenantsMessage("msg_2")(t, o.land) // this one is delivered
	require.Equal(t, 1, hooks.Runs.Len())
	secret := []string{"--secret", "@" + o.files}
	require.Equal(t, []string{
		"WHEN TYPE EVENT TRIES GOT NOW WHAT",
		"now agent.message evt_msg_2 1 200 200 duplicate “hello from msg_2”",
	}, tableLines(o.fine(t, append([]string{"replay"}, append(secret, "--event", "evt_msg_2")...)...)))
	require.Contains(t, o.fine(t, append([]string{"replay"}, append(secret, "--event", "evt_msg_1")...)...), "200 processed")
	require.Equal(t, 2, hooks.Runs.Len())
	require.Contains(t, o.fine(t, "replay", "--event", "evt_wk", "--dry-run"), "to say hi")

	got := o.do(t, append([]string{"replay"}, append(secret, "--event", "evt_nope")...)...)
	require.Equal(t, console.ExitNo, got.code)
	require.Contains(t, got.errOut, `no attempt in the delivery log is about "evt_nope"`)
	require.Contains(t, o.do(t, append([]string{"replay"}, append(secret, "--event", "e", "--since", "1h")...)...).errOut, "give --event or --since, not both")
}
