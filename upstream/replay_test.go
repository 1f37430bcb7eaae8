package upstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func TestOutageOfTheServerCostsNothing(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t, simulator.WithAttempts(3, time.Second, time.Second)), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message, mood)
	s, _ := subscribed(t, p, hooks)
	before := p.emit(t, say("msg_0"))
	p.wait(t)

	require.NoError(t, s.server.Close())
	var missed []string
	for _, e := range []simulator.Event{say("msg_1"), {Type: string(mood)}, say("msg_2"), {Type: string(mood), Layout: simulator.LayoutFlat}} {
		missed = append(missed, p.emit(t, e))
		p.wait(t)
	}
	require.EqualValues(t, 4, p.Stats().Failed, "the platform has given them up")
	s.start(t, hooks)
	after := p.emit(t, say("msg_3"))
	p.wait(t)

	listed, err := upstream.Replay(t.Context(), hooks, p.webhooks, upstream.WithDryRun())
	require.NoError(t, err)
	require.Equal(t, 4, listed.Count(""), "a dry run runs nothing")
	require.Equal(t, []string{before, after}, seen.ids())
	for i, d := range listed.Deliveries {
		require.Equal(t, missed[i], d.EventID, "the oldest first")
		require.Equal(t, 3, d.Attempts)
		require.Zero(t, d.ResponseCode)
		require.NotEmpty(t, d.Error)
		require.NotEmpty(t, d.Body)
		require.False(t, d.First.IsZero() || d.Last.Before(d.First))
	}

	report, err := upstream.Replay(t.Context(), hooks, p.webhooks)
	require.NoError(t, err)
	require.Equal(t, 4, report.Count(sonzaihook.CodeProcessed))
	require.Equal(t, append([]string{before, after}, missed...), seen.ids())
	require.Equal(t, sonzaihook.SourceReplay, seen.sources()[5])

	report, err = upstream.Replay(t.Context(), hooks, p.webhooks)
	require.NoError(t, err)
	require.Equal(t, 4, report.Count(sonzaihook.CodeDuplicate), "each is recovered once")
	require.Len(t, seen.All(), 6)
}

func TestReplayTakesWhatWasRefusedAndLeavesWhatALaterAttemptDelivered(t *testing.T) {
	t.Parallel()
	p, seen := newPlatform(t), &ledger{}
	var messages atomic.Int32
	var mend atomic.Bool
	hooks := newHooks(t, nil)
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		if messages.Add(1) == 1 {
			return errors.New("not yet")
		}
		return nil
	})
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error {
		if !mend.Load() {
			return sonzaihook.Permanent(errors.New("not this one"))
		}
		return nil
	})
	seen.listen(hooks)
	subscribed(t, p, hooks)
	delivered := p.emit(t, say("msg_1"))
	p.wait(t)
	refused := p.emit(t, simulator.Event{Type: string(mood)})
	p.wait(t)
	require.Equal(t, []int{500, 200}, p.codes(message))
	require.Equal(t, []int{422}, p.codes(mood))

	report, err := upstream.Replay(t.Context(), hooks, p.webhooks)
	require.ErrorIs(t, err, upstream.ErrUnsettled)
	require.Equal(t, 1, report.Count(sonzaihook.CodeRejected))
	mend.Store(true)
	report, err = upstream.Replay(t.Context(), hooks, p.webhooks, upstream.WithTypes(message))
	require.NoError(t, err)
	require.Empty(t, report.Deliveries)
	report, err = upstream.Replay(t.Context(), hooks, p.webhooks)
	require.NoError(t, err)
	require.Len(t, report.Deliveries, 1)
	require.Equal(t, []string{delivered, refused}, seen.ids())
}

func TestEventThatWasHandledAlthoughTheLogSaysOtherwiseIsNotRunAgain(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t, simulator.WithAttempts(2, time.Second, time.Second)), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message)
	subscribed(t, p, hooks)
	require.NoError(t, p.MisbehaveDeliveries(simulator.DeliveryFault{DropAnswer: true}))
	p.emit(t, say("msg_1"))
	anonymous := say("msg_2")
	anonymous.WithoutID = true
	p.emit(t, anonymous)
	p.wait(t)
	report, err := upstream.Replay(t.Context(), hooks, p.webhooks)
	require.NoError(t, err)
	require.Equal(t, 2, report.Count(sonzaihook.CodeDuplicate))
	require.Len(t, seen.All(), 2)
}

func TestEventsWithoutAnIDAndWithTheSameBytesAreEachReplayedOnce(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t, simulator.WithAttempts(2, time.Second, time.Second)), newHooks(t, nil), &ledger{}
	seen.listen(hooks, mood)
	s, _ := subscribed(t, p, hooks)
	same := simulator.Event{Type: string(mood), WithoutID: true, CreatedAt: time.Unix(1_700_000_000, 0), Data: map[string]int{"valence": 50}}
	p.emit(t, same)
	p.wait(t)
	require.NoError(t, s.server.Close())
	for range 3 {
		p.emit(t, same)
	}
	p.wait(t)
	for _, code := range []string{sonzaihook.CodeProcessed, sonzaihook.CodeDuplicate} {
		report, err := upstream.Replay(t.Context(), hooks, p.webhooks)
		require.NoError(t, err)
		require.Len(t, report.Deliveries, 3)
		require.Equal(t, 3, report.Count(code))
	}
	require.Len(t, seen.All(), 4)
}

func TestReplayGoesBackToTheGivenTimeAndNoFurther(t *testing.T) {
	t.Parallel()
	var clock time.Time
	p := newPlatform(t, simulator.WithAttempts(1, time.Second, time.Second), simulator.WithClock(func() time.Time { return clock }))
	hooks, seen := newHooks(t, nil, sonzaihook.WithClock(func() time.Time { return clock })), &ledger{}
	seen.listen(hooks, message)
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock = start
	s, _ := subscribed(t, p, hooks)
	require.NoError(t, s.server.Close())
	var ids []string
	for i := range 3 {
		clock = start.Add(time.Duration(i) * time.Hour)
		ids = append(ids, p.emit(t, say("msg")))
		p.wait(t)
	}
	for since, want := range map[time.Time][]string{
		{}: ids, start: ids, start.Add(time.Minute): ids[1:], start.Add(2 * time.Hour): ids[2:], start.Add(3 * time.Hour): nil,
	} {
		report, err := upstream.Replay(t.Context(), hooks, p.webhooks, upstream.WithSince(since), upstream.WithDryRun())
		require.NoError(t, err)
		var got []string
		for _, d := range report.Deliveries {
			got = append(got, d.EventID)
		}
		require.Equal(t, want, got, "since %v", since)
	}
}

func TestDeliveryThatFailsAgainDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	p, seen := newPlatform(t, simulator.WithAttempts(1, time.Second, time.Second)), &ledger{}
	hooks := newHooks(t, nil)
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		if e.Data.MessageID == "msg_1" {
			return errors.New("always")
		}
		return nil
	})
	seen.listen(hooks)
	s, _ := subscribed(t, p, hooks)
	require.NoError(t, s.server.Close())
	p.emit(t, say("msg_1"))
	p.wait(t)
	good := p.emit(t, say("msg_2"))
	p.wait(t)
	report, err := upstream.Replay(t.Context(), hooks, p.webhooks)
	require.ErrorIs(t, err, upstream.ErrUnsettled)
	require.ErrorContains(t, err, "1 of 2")
	require.Equal(t, 1, report.Count(sonzaihook.CodeFailed))
	require.Equal(t, []string{good}, seen.ids())

	ctx, cancel := context.WithCancel(t.Context())
	hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			cancel()
			return next(ctx, d)
		}
	})
	report, err = upstream.Replay(ctx, hooks, p.webhooks)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, report.Count(""), "not run")
	require.NoError(t, hooks.Shutdown(t.Context()))
	_, err = upstream.Replay(t.Context(), hooks, p.webhooks)
	require.ErrorIs(t, err, sonzaihook.ErrShuttingDown)
}

func TestNothingIsReplayedWhenTheLogCannotBeReadToItsEnd(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t, simulator.WithAttempts(1, time.Second, time.Second)), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message, mood)
	s, _ := subscribed(t, p, hooks)
	require.NoError(t, s.server.Close())
	p.emit(t, say("msg_1"))
	p.wait(t)
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: "GET /webhooks/{eventType}/attempts", Status: 403}))
	_, err := upstream.Replay(t.Context(), hooks, p.webhooks)
	require.ErrorIs(t, err, sonzaiapi.ErrForbidden)
	require.Empty(t, seen.All())
}

// page is an answer of a platform whose log is made up.
func page(t *testing.T, attempts ...map[string]any) sonzaiapi.Webhooks {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"attempts": attempts, "has_more": false})
	}))
	t.Cleanup(server.Close)
	client, err := sonzaiapi.New("sk_test", sonzaiapi.WithBaseURL(server.URL))
	require.NoError(t, err)
	return client.Webhooks()
}

func TestAttemptsOfOneEventAreRecognisedByTheirBodyAndNumber(t *testing.T) {
	t.Parallel()
	attempt := func(second, number, code int, body string) map[string]any {
		return map[string]any{
			"attempt_number": number, "response_code": code, "request_body": []byte(body),
			"created_at": time.Unix(int64(second), 0).UTC(),
		}
	}
	const a, b, other = `{"event_id":"a"}`, `{"mood":"calm"}`, `{"mood":"tense"}`
	for name, test := range map[string]struct {
		log  []map[string]any
		want []int // the attempts of each missed event, the oldest first
	}{
		"an empty log":                          {},
		"delivered at once":                     {log: []map[string]any{attempt(1, 1, 200, a)}},
		"delivered later":                       {log: []map[string]any{attempt(2, 2, 204, a), attempt(1, 1, 500, a)}},
		"never delivered, the newest first":     {log: []map[string]any{attempt(2, 2, 0, a), attempt(1, 1, 500, a)}, want: []int{2}},
		"never delivered, the oldest first":     {log: []map[string]any{attempt(1, 1, 500, a), attempt(2, 2, 0, a)}, want: []int{2}},
		"a copy was delivered before":           {log: []map[string]any{attempt(2, 1, 401, a), attempt(1, 1, 200, a)}},
		"a redirect is no delivery":             {log: []map[string]any{attempt(1, 1, 302, a)}, want: []int{1}},
		"without an id, delivered later":        {log: []map[string]any{attempt(2, 2, 200, b), attempt(1, 1, 500, b)}},
		"without an id, one of two":             {log: []map[string]any{attempt(3, 2, 200, b), attempt(2, 1, 500, b), attempt(1, 1, 500, b)}, want: []int{1}},
		"without an id, delivered and missed":   {log: []map[string]any{attempt(1, 1, 200, b), attempt(2, 1, 500, b), attempt(3, 2, 500, b)}, want: []int{2}},
		"without an id, two kinds":              {log: []map[string]any{attempt(1, 1, 500, b), attempt(2, 1, 200, other)}, want: []int{1}},
		"the beginning is gone from the log":    {log: []map[string]any{attempt(7, 7, 500, b), attempt(6, 6, 500, b)}, want: []int{2}},
		"the platform did not keep the body":    {log: []map[string]any{attempt(1, 1, 500, "")}, want: []int{1}},
		"numbers are not given":                 {log: []map[string]any{attempt(1, 0, 500, b), attempt(2, 0, 500, b)}, want: []int{1, 1}},
		"an id that the envelope calls just id": {log: []map[string]any{attempt(1, 1, 500, `{"id":"x"}`), attempt(2, 1, 200, `{"id":"x"}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []int
			for missed, err := range upstream.Missed(t.Context(), page(t, test.log...), []sonzaihook.EventType{mood}, time.Time{}) {
				require.NoError(t, err)
				got = append(got, missed.Attempts)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestDeliveryWithoutARecordedBodyIsReportedAndTheLogShowsNoBody(t *testing.T) {
	t.Parallel()
	webhooks := page(t, map[string]any{"attempt_number": 1, "response_code": 500})
	hooks := newHooks(t, nil)
	(&ledger{}).listen(hooks, message)
	report, err := upstream.Replay(t.Context(), hooks, webhooks, upstream.WithLogger(silent))
	require.ErrorIs(t, err, upstream.ErrUnsettled)
	require.Equal(t, 1, report.Count(""))
	missed := upstream.MissedDelivery{Type: message, EventID: "evt_1", Body: []byte("private")}
	require.NotContains(t, missed.LogValue().String(), "private")
}
