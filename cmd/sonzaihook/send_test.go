package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// inbox is a server that keeps what it is sent and answers as it is told.
type inbox struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   [][]byte
}

func (in *inbox) start(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		in.requests, in.bodies = append(in.requests, r), append(in.bodies, body)
		in.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// live is a world with the secret and the real clock, which a receiver has too.
var live = world{environ: []string{secretVariable + "=" + testSecret}}

func TestSendIsAcceptedByAReceiver(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, sonzaihook.Secret(testSecret), sonzaihook.WithAuthorization("Bearer open"))
	var seen recorder.List[sonzaihook.MoodChange]
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		seen.Add(e.Data)
		return nil
	})
	server := httptest.NewServer(hooks)
	t.Cleanup(server.Close)
	send := func(args ...string) result {
		return live.do(t, append([]string{"send", "--url", server.URL, "--authorization", "Bearer open"}, args...)...)
	}

	got := send("mood_change", "--set", "data.valence=12", "--set", "data.label=gloomy", "--set", "data.trigger_reason=42 \"x")
	require.Equal(t, console.ExitYes, got.code, got.errOut)
	require.Regexp(t, `^200 processed  \S+ m?s  agent\.mood_change evt_\w+\n$`, got.out)
	require.Equal(t, console.ExitYes, send("on_mood_updated", "--flat", "--set", "valence=7").code)
	moods := seen.All()
	require.Len(t, moods, 2, "the second has another id")
	require.InDelta(t, 12, moods[0].Valence, 0)
	require.Equal(t, "gloomy", moods[0].Label)
	require.Equal(t, `42 "x`, moods[0].TriggerReason)
	require.InDelta(t, 7, moods[1].Valence, 0)

	require.Contains(t, send("mood_change", "--set", "event_id=evt_1").out, "200 processed")
	require.Contains(t, send("mood_change", "--set", "event_id=evt_1").out, "200 duplicate")

	for _, spoiled := range []string{"--tampered", "--stale", "--authorization=Bearer shut"} {
		got := send("mood_change", spoiled)
		require.Equal(t, console.ExitNo, got.code)
		require.Contains(t, got.out, "401 unauthorized")
		if expected := !strings.HasPrefix(spoiled, "--authorization"); expected {
			require.Empty(t, got.errOut)
		} else {
			require.Contains(t, got.errOut, "a sonzaihook receiver refused it: it has another secret, demands another Authorization")
		}
	}
	require.Equal(t, 3, seen.Len())
}

func TestSendKeepsTheBytesOfABodyOfOnesOwn(t *testing.T) {
	t.Parallel()
	var in inbox
	url := in.start(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	body := "{ \"event_type\" : \"lead.enriched\",\n\"score\":1.50}\n"
	w := live
	w.stdin = body
	got := w.do(t, "send", "--body", "-", "--url", url)
	require.Equal(t, console.ExitYes, got.code, got.errOut)
	require.Contains(t, got.out, "204 No Content")
	require.Equal(t, body, string(in.bodies[0]))
	require.Equal(t, "application/json", in.requests[0].Header.Get("Content-Type"))
	require.NoError(t, sonzaihook.Verify(in.bodies[0], in.requests[0].Header.Get(sonzaihook.SignatureHeader),
		testSecret, time.Now(), time.Minute))

	require.Equal(t, console.ExitYes, live.do(t, "send", "--body", writeFile(t, body), "--set", "score=2", "--url", url).code)
	require.Equal(t, strings.Replace(body, "1.50", "2", 1), string(in.bodies[1]), "all else stays")
}

func TestSendMakesANewEventOfEachSample(t *testing.T) {
	t.Parallel()
	var in inbox
	url := in.start(t, func(http.ResponseWriter, *http.Request) {})
	seen := map[string]bool{}
	for _, typ := range sonzaihook.EventTypes() {
		for _, layout := range []string{"--flat=false", "--flat=true"} {
			require.Equal(t, console.ExitYes, live.do(t, "send", string(typ), layout, "--url", url).code)
			body := in.bodies[len(in.bodies)-1]
			require.Equal(t, string(typ), delivery.Field(body, delivery.TypeKeys...))
			id := delivery.Field(body, delivery.IDKeys...)
			require.Regexp(t, `^evt_[A-Z2-7]{26}$`, id)
			require.False(t, seen[id])
			seen[id] = true
			at, err := time.Parse(time.RFC3339, delivery.Field(body, delivery.TimeKeys...))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), at, time.Minute)
		}
	}
}

func TestSendFollowsNoRedirectAndTrustsNoAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }, "302 Found"},
		{"terminal codes", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "{\"code\":\"\\u001b[2Jgone\"}")
		}, "500 Internal Server Error"},
		{"unknown status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(599) }, "599 no reason given"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var in inbox
			got := live.do(t, "send", "message", "--url", in.start(t, test.answer))
			require.Equal(t, console.ExitNo, got.code)
			require.Contains(t, got.out, test.want)
			require.NotContains(t, got.out, "\x1b")
			require.Len(t, in.requests, 1)
		})
	}
}

func TestSendTellsAReceiversAnswerFromAnothers(t *testing.T) {
	t.Parallel()
	answers := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	unauthorized := sonzaihook.Refusal(sonzaihook.ErrSignatureMismatch)
	const other = "other authentication refused the request before it"
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a receiver":              {func(w http.ResponseWriter, _ *http.Request) { unauthorized.Respond(w) }, "a sonzaihook receiver refused it"},
		"middleware":              {answers(401, "WWW-Authenticate: Bearer", `{"message":"no jwt"}`), other},
		"an API with a code":      {answers(401, "", `{"code":"unauthorized"}`), other},
		"an API with problems":    {answers(401, "Content-Type: application/problem+json", `{"type":"https://x.example/p","status":401,"code":"unauthorized"}`), other},
		"a gateway's page":        {answers(403, "", "<html>forbidden</html>"), other},
		"another path":            {answers(404, "", "404 page not found"), "there is none at the path of --url"},
		"a redirect":              {answers(308, "Location: https://u:p@other.example/in?key=k", ""), "a redirect, not followed to https://other.example/in, as"},
		"a redirect to somewhere": {answers(302, "", ""), "a redirect, not followed, as the platform follows none"},
		"a proxy":                 {answers(502, "", "<html>bad gateway</html>"), "this is not the answer of a sonzaihook receiver"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var in inbox
			url := in.start(t, test.answer)
			got := live.do(t, "send", "message", "--url", url)
			require.Equal(t, console.ExitNo, got.code)
			require.Contains(t, got.errOut, test.want)
			got = live.do(t, "send", "message", "--json", "--url", url)
			require.Contains(t, objects(t, got.out)[0]["note"], test.want)
		})
	}
}

func TestSendPrintsJSONForMachines(t *testing.T) {
	t.Parallel()
	hooks, err := sonzaihook.New(sonzaihook.Secret(testSecret))
	require.NoError(t, err)
	server := httptest.NewServer(hooks)
	t.Cleanup(server.Close)
	got := live.do(t, "send", "wakeup", "--json", "--set", "event_id=evt_7", "--url", server.URL)
	require.Equal(t, console.ExitYes, got.code)
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.out), &answer))
	require.Positive(t, answer["duration_ms"])
	delete(answer, "duration_ms")
	require.Equal(t, map[string]any{"status": 200.0, "code": "ignored", "type": "agent.wakeup", "event_id": "evt_7"}, answer)
}

func TestSendSaysThatNobodyAnswered(t *testing.T) {
	t.Parallel()
	got := live.do(t, "send", "message", "--url", nowhere)
	require.Equal(t, console.ExitNo, got.code)
	require.Regexp(t, `^sonzaihook: no answer from \S+: .*refused\n$`, got.errOut)

	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	got = live.do(t, "send", "message", "--timeout", "50ms", "--url", slow.URL)
	require.Equal(t, console.ExitNo, got.code)
	require.Equal(t, "sonzaihook: no answer from "+slow.URL+": none within 50ms\n", got.errOut)
	got = live.do(t, "send", "message", "--url", strings.Replace(nowhere, "//", "//me:whatever@", 1)+"/hooks")
	require.NotContains(t, got.errOut, "whatever")
}
