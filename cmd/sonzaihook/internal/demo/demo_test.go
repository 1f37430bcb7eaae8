package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
)

// times matches what differs from one demo to the next.
var times = regexp.MustCompile(`127\.0\.0\.1:\d+|[\d.]+ m?s\b`)

// tallies matches what depends on how long each rotation took.
var tallies = regexp.MustCompile(`\d+ (attempts, secret changed) \d+ times?`)

// outcome is what a run printed, and its error.
type outcome struct {
	out, errOut string
	err         error
}

func play(t *testing.T, o Options) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	err := Run(t.Context(), &console.Console{Out: &out, ErrOut: &errOut, Now: time.Now}, o)
	return outcome{out.String(), errOut.String(), err}
}

func TestDemoShowsEachStepAsALine(t *testing.T) {
	t.Parallel()
	got := play(t, Options{})
	require.NoError(t, got.err, got.out+got.errOut)
	require.Empty(t, got.errOut)
	require.NotContains(t, got.out, "\x1b")
	var lines []string
	for line := range strings.Lines(tallies.ReplaceAllString(times.ReplaceAllString(got.out, "N"), "N $1 N times")) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	require.Equal(t, []string{
		"sonzaihook demo http://N/webhooks/sonzai",
		"",
		"STEP TYPE AGENT OUTCOME STATUS TIME SEEN INSIDE",
		lines[3], // the rule
		lines[4], // below
		"✓ pushed agent.message agent_luna processed 200 N “I kept thinking about your sister's recital. How did it go?”",
		"✓ pushed agent.mood_change agent_luna processed 200 N content, valence 72.5 (+6.5)",
		"✓ pushed agent.memory_added agent_luna processed 200 N “The user's sister plays the cello.”",
		"✓ pushed agent.breakthrough agent_luna processed 200 N level 12, patience evolved",
		"✓ pushed agent.wakeup agent_luna processed 200 N to ask how the recital went",
		"✓ pushed agent.consolidation agent_luna processed 200 N daily, 14 memories, diary: content",
		"✓ replayed agent.message agent_luna duplicate 200 N no callback ran",
		"✓ tampered agent.mood_change agent_eve unauthorized 401 N signature mismatch",
		"✓ stale agent.mood_change agent_luna unauthorized 401 N timestamp outside tolerance: N old, 5m0s allowed",
		"✓ failing agent.mood_change agent_luna failed 500 N the callback's database is down",
		"✓ retried agent.mood_change agent_luna processed 200 N content, valence 72.5 (+6.5)",
		"✓ missed agent.memory_added agent_luna unanswered N 4 attempts given up: connection refused",
		"✓ recovered agent.memory_added agent_luna processed 200 N “The user is moving to Lisbon.”",
		"✓ polled agent.message agent_luna duplicate 200 N no callback ran",
		"✓ polled agent.message agent_luna processed 200 N “Good night! Shall I wake you at seven?”",
		"✓ project 1 agent.message agent_luna processed 200 N proj_acme, secret just rotated: “The studio opens at nine.”",
		"✓ project 2 agent.message agent_luna processed 200 N proj_bistro, same id, own secret: “Your table is ready.”",
		"✓ queued agent.message agent_luna queued 202 N safe in a file, answered at once",
		"✓ waiting agent.message agent_luna failed 500 N the callback's service is down",
		"✓ ran later agent.message agent_luna processed 200 N “Your order is on its way.”",
		"✓ rotated agent.mood_change agent_luna processed 200 N 200 events, N attempts, secret changed N times: 0 lost, 0 run twice",
		"✓ unsubscribed 6 event types deleted N 0 registrations left",
		"",
		"✓ 23 steps, all as expected N",
		"13 processed, 1 queued, 2 duplicate, 2 unauthorized, 2 failed, 1 unanswered",
	}, lines)
	require.Regexp(t, `^─+$`, lines[3])
	require.Regexp(t, `^✓ subscribed 6 event types registered N \d+ signing secrets, each for one (type|name)$`, lines[4])
}

func TestDemoPrintsOneJSONObjectALine(t *testing.T) {
	t.Parallel()
	got := play(t, Options{JSON: true})
	require.NoError(t, got.err, got.errOut)
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	require.Len(t, lines, 24)
	for _, line := range lines[:23] {
		var r row
		require.NoError(t, json.Unmarshal([]byte(line), &r))
		require.True(t, r.OK)
		require.Equal(t, r.Expected, expectation{r.Status, r.Outcome, r.Callbacks})
		require.NotEmpty(t, r.Detail)
	}
	var last struct {
		Summary summary `json:"summary"`
	}
	require.NoError(t, json.Unmarshal([]byte(lines[23]), &last))
	require.Equal(t, 23, last.Summary.Steps)
	require.Zero(t, last.Summary.Unexpected)
	require.Equal(t, map[string]int{
		"registered": 1, "processed": 13, "queued": 1, "duplicate": 2, "unauthorized": 2, "failed": 2, "unanswered": 1, "deleted": 1,
	}, last.Summary.Outcomes)
}

func TestDemoLogsToTheStandardErrorWhenAsked(t *testing.T) {
	t.Parallel()
	got := play(t, Options{Log: true, JSON: true})
	require.NoError(t, got.err)
	require.Contains(t, got.errOut, "sonzaihook: delivery refused")
	require.GreaterOrEqual(t, strings.Count(got.errOut, "sonzaihook: delivery "), 214)
	require.NotContains(t, got.errOut, "whsec_")
}

// TestDemoFailsWhenTheReceiverIsWrong puts broken receivers in the place of the
// right one.
func TestDemoFailsWhenTheReceiverIsWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		wrap func(http.Handler) http.Handler
		line string
	}{
		{"it believes everybody", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"code":"processed"}`))
			})
		}, "line 9, tampered agent.mood_change: expected 401 unauthorized with 0 callback runs, got 200 processed with 0 callback runs"},
		{"it runs nothing but says so", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`{"code":"processed"}`))
			})
		}, "line 2, pushed agent.message: expected 200 processed with 1 callback run, got 200 processed with 0 callback runs"},
		{"it never succeeds", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		}, "line 3, retried agent.message: expected no further attempt, got 502 "},
		{"it breaks connections", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, "line 2, pushed agent.message: expected 200 processed with 1 callback run, got unanswered with 0 callback runs"},
		{"it loses one in ten", func(next http.Handler) http.Handler {
			var n atomic.Int64
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1)%10 > 0 {
					next.ServeHTTP(w, r)
				}
			})
		}, "rotated agent.mood_change: expected 200 processed with 20 callback runs, got 200 processed with 18 callback runs"},
		{"it says that it queued what it dropped", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasPrefix(r.URL.Path, "/webhooks/queued/") {
					next.ServeHTTP(w, r)
					return
				}
				w.WriteHeader(http.StatusAccepted)
				_, _ = w.Write([]byte(`{"code":"queued"}`))
			})
		}, "ran later nothing: expected 200 processed with 1 callback run, got not fetched"},
		{"it takes one project for another", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.Path = strings.Replace(r.URL.Path, projectBistro, projectAcme, 1)
				next.ServeHTTP(w, r)
			})
		}, "project 2 agent.message: expected 200 processed with 1 callback run, got 401 unauthorized"},
		{"it does not know copies", func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				if strings.Contains(answer.Body.String(), "duplicate") {
					answer.Body = bytes.NewBufferString(`{"code":"processed"}`)
				}
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes())
			})
		}, "line 8, replayed agent.message: expected 200 duplicate with 0 callback runs, got 200 processed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			d := demo{console: &console.Console{Out: &out, ErrOut: &out, Now: time.Now}, attempts: 2, load: 20, wrap: test.wrap}
			err := d.run(t.Context())
			require.True(t, console.IsNo(err))
			require.Contains(t, err.Error(), "not as expected")
			require.Contains(t, out.String(), test.line)
			require.Contains(t, out.String(), "✗")
		})
	}
}

func TestDemoFitsTheTerminalAndShowsWhatTheReceiverSaw(t *testing.T) {
	t.Parallel()
	detail := "200 events, 218 attempts, secret changed 8 times: 0 lost, 0 run twice"
	r := result{url: "http://127.0.0.1:12345/webhooks/sonzai", rows: []row{
		{What: "unsubscribed", Type: "agent.consolidation", Agent: "agent_luna", Outcome: "unauthorized", Status: 401, DurationMS: 1234, Detail: detail, OK: true},
		{What: "pushed", Type: "agent.message", Agent: "agent_luna", Outcome: "processed", Status: 200, DurationMS: 1, Detail: "short", OK: true},
	}}
	for _, columns := range []int{80, 90, 100, 120, 200} {
		text := render(r, columns)
		for line := range strings.Lines(text) {
			require.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), columns, "%d columns: %s", columns, line)
		}
		require.Equal(t, columns > 120, strings.Contains(text, "agent_luna"), "%d columns", columns)
		var told []string
		for line := range strings.Lines(ansi.Strip(text)) {
			if i := strings.Index(line, "SEEN INSIDE"); i >= 0 || told != nil {
				told = append(told, line)
			}
		}
		for word := range strings.FieldsSeq(detail) {
			require.Contains(t, strings.Join(told, ""), word, "%d columns: all of it", columns)
		}
	}
	require.Contains(t, render(r, 0), detail)
}

func TestDemoEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	var out bytes.Buffer
	d := demo{console: &console.Console{Out: &out, ErrOut: &out, Now: time.Now}, attempts: 2, load: 20}
	d.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			interrupt()
		})
	}
	require.ErrorIs(t, d.run(ctx), context.Canceled)
	require.Empty(t, out.String())
}
