package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/sonzaihook/sonzaihook/simulator"
)

func TestListenForwardsByteForByteAndAnswersWhatTheServerAnswers(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	var in inbox
	status := http.StatusTeapot
	url := in.start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"code":"brewing"}`)
	})
	files := filepath.Join(t.TempDir(), eventPlace)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--type", "message", "--forward-to", url+"/hooks/{event}?type={event}",
		"--auth-header", "Bearer open", "--secret-file", files)
	r.says(t, &r.errOut, "✓ forwarding to "+url)
	event := saying("msg_1", "hello")
	event.ProjectID = ""
	l.happens(t, event)
	r.says(t, &r.out, "418 brewing")
	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.errOut.String(), "unsubscribed after 0 events", "what is refused is not counted")

	attempt := l.Attempts("", "agent.message")[0]
	require.Equal(t, http.StatusTeapot, attempt.Code)
	require.JSONEq(t, `{"code":"brewing"}`, attempt.ResponseBody)
	require.Equal(t, string(attempt.RequestBody), string(in.bodies[0]), "byte for byte")
	got := in.requests[0]
	require.Equal(t, "/hooks/agent.message?type=agent.message", got.URL.RequestURI())
	require.Equal(t, "Bearer open", got.Header.Get("Authorization"))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Empty(t, got.Header.Values("X-Forwarded-For"))
	secret, err := os.ReadFile(strings.ReplaceAll(files, eventPlace, "agent.message"))
	require.NoError(t, err)
	require.NoError(t, sonzaihook.Verify(in.bodies[0], got.Header.Get(sonzaihook.SignatureHeader),
		strings.TrimSpace(string(secret)), time.Now(), time.Minute), "with the platform's signature")
	require.NotContains(t, r.out.String()+r.errOut.String(), "whsec_")
}

func TestListenSignsAnewForAServerWithASecretAlready(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	hooks := recorder.New(t, sonzaihook.Secret(testSecret)).HandleAll(nil)
	server := httptest.NewServer(hooks)
	t.Cleanup(server.Close)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--json", "--forward-to", server.URL, "--secret", "@"+writeFile(t, testSecret))
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	event := saying("msg_1", "hello")
	event.ProjectID = ""
	l.happens(t, event)
	l.happens(t, event)
	r.says(t, &r.out, `"outcome":"duplicate"`)
	got := objects(t, r.out.String())
	require.Equal(t, "processed", got[0]["outcome"])
	require.InDelta(t, http.StatusOK, got[0]["status"], 0)
	require.Positive(t, got[0]["duration_ms"])
	require.Equal(t, "agent_1", got[0]["agent_id"])

	// Whoever reaches the address has nothing signed.
	var target string
	for _, w := range objects(t, l.fine(t, "webhooks", "list", "--json")) {
		target, _ = w["webhook_url"].(string)
	}
	forged := live.do(t, "send", "message", "--url", target, "--secret", "whsec_forged")
	require.Equal(t, console.ExitNo, forged.code)
	require.Contains(t, forged.out, "401 unauthorized")
	r.says(t, &r.out, `"reason":"signature mismatch"`)
	require.Len(t, objects(t, r.out.String()), 3)
	require.Equal(t, console.ExitYes, r.end(t))
	require.Contains(t, r.errOut.String(), "unsubscribed after 2 events")
}

func TestListenAnswers502WhereTheServerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--forward-to", nowhere)
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	event := saying("msg_1", "hello")
	event.ProjectID = ""
	l.happens(t, event)
	r.says(t, &r.out, "connection refused")
	require.Regexp(t, `^\d\d:\d\d:\d\d webhook agent\.message unanswered \S+ m?s dial tcp .*refused$`, tableLines(r.out.String())[0])
	require.Equal(t, http.StatusBadGateway, l.Attempts("", "agent.message")[0].Code, "the platform tries again")
	require.Len(t, l.Attempts("", "agent.message"), 2)
	require.Equal(t, console.ExitYes, r.end(t))
}

func TestListenWaitsForAForwardedAnswerNoLongerThanAsked(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--forward-to", slow.URL, "--timeout", "50ms")
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	event := saying("msg_1", "hello")
	event.ProjectID = ""
	l.happens(t, event)
	r.says(t, &r.out, "none within 50ms")
	require.Equal(t, console.ExitYes, r.end(t))
}

func TestListenForwardsABareWakeupByTheTypeOfItsURL(t *testing.T) {
	t.Parallel()
	l := newLand(t, simulator.WithLayout(simulator.LayoutBare))
	var in inbox
	url := in.start(t, func(http.ResponseWriter, *http.Request) {})
	r := l.start(t, "listen", "--addr", "127.0.0.1:0", "--forward-to", url+"/{event}", "--secret", testSecret)
	r.says(t, &r.errOut, "interrupt to unsubscribe")
	l.fine(t, "wakeups", "schedule", "--agent", "agent_1", "--user", "user_1", "--intent", "say hi", "--at", "10ms")
	r.says(t, &r.out, "200  ")
	require.Equal(t, console.ExitYes, r.end(t))
	require.Equal(t, "/agent.wakeup", in.requests[0].URL.Path)
	require.NoError(t, sonzaihook.Verify(in.bodies[0], in.requests[0].Header.Get(sonzaihook.SignatureHeader), testSecret, time.Now(), time.Minute))
}
