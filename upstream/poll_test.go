package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

const (
	listProject = "GET /projects/{projectId}/notifications"
	acknowledge = "POST /projects/{projectId}/notifications/acknowledge"
)

// pollOnce polls the project and demands that nothing goes wrong.
func pollOnce(t *testing.T, p platform, hooks *sonzaihook.Receiver, options ...upstream.Option) {
	t.Helper()
	require.NoError(t, upstream.PollProject(t.Context(), hooks, p.project, append(options, upstream.WithOnce())...))
}

func TestEveryTypeCanBePolledAndIsAcknowledgedAfterwards(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	types := append(sonzaihook.EventTypes(), "lead.enriched")
	seen.listen(hooks, types...)
	var want []run
	for _, typ := range types {
		want = append(want, run{sonzaihook.SourcePoll, typ, p.emit(t, simulator.Event{Type: string(typ), AgentID: "agent_1"})})
	}
	p.emit(t, simulator.Event{Type: "no.callback"})
	pollOnce(t, p, hooks)
	require.Equal(t, want, seen.All())
	require.Zero(t, p.pending(t))
	pollOnce(t, p, hooks)
	require.Len(t, seen.All(), len(types))
}

func TestPolledEventHasWhatThePushedOneHas(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, nil)
	var pushed, polled *sonzaihook.MessageEvent
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		pushed, polled = polled, e
		return nil
	})
	subscribed(t, p, hooks)
	p.emit(t, say("msg_1"))
	p.wait(t)
	again := newHooks(t, nil)
	again.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		pushed, polled = polled, e
		return nil
	})
	pollOnce(t, p, again)
	require.Equal(t, sonzaihook.SourceWebhook, pushed.Source)
	require.Equal(t, sonzaihook.SourcePoll, polled.Source)
	polled.Raw, pushed.Raw, polled.Source = nil, nil, pushed.Source
	require.Equal(t, pushed, polled)
}

func TestEventThatCameByPushIsNotRunAgainByPollNorTheOtherWayRound(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message, mood)
	subscribed(t, p, hooks)
	p.emit(t, say("msg_1"))
	p.emit(t, simulator.Event{Type: string(mood)})
	p.wait(t)
	pollOnce(t, p, hooks)
	require.Equal(t, []sonzaihook.Source{sonzaihook.SourceWebhook, sonzaihook.SourceWebhook}, seen.sources())
	require.Zero(t, p.pending(t))

	require.NoError(t, p.MisbehaveDeliveries(simulator.DeliveryFault{Delay: 200 * time.Millisecond}))
	p.emit(t, say("msg_2"))
	pollOnce(t, p, hooks)
	p.wait(t)
	require.Equal(t, []int{200, 200}, p.codes(message))
	require.Equal(t, sonzaihook.SourcePoll, seen.sources()[2])
	require.Len(t, seen.All(), 3)
}

func TestMessageOfAnAgentIsConsumedOnceWhicheverWayItComes(t *testing.T) {
	t.Parallel()
	p, seen := newPlatform(t), &ledger{}
	hooks := newHooks(t, nil, sonzaihook.WithIdentity(sonzaihook.NaturalIdentity))
	var polled *sonzaihook.MessageEvent
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		polled = e
		return nil
	})
	seen.listen(hooks)
	subscribed(t, p, hooks)
	p.emit(t, say("msg_1"))
	p.wait(t)
	only := say("msg_2")
	only.Route = simulator.RoutePoll
	p.emit(t, only)

	agent := p.client.Agent("agent_1")
	require.NoError(t, upstream.PollAgent(t.Context(), hooks, agent, upstream.WithOnce()))
	require.Equal(t, []sonzaihook.Source{sonzaihook.SourceWebhook, sonzaihook.SourcePoll}, seen.sources(), "msg_1 is not run again")
	require.Equal(t, "Hello!", polled.Data.Content)
	require.Equal(t, "agent_1", polled.AgentID)
	require.Equal(t, "user_1", polled.UserID)
	require.False(t, polled.CreatedAt.IsZero())
	require.Empty(t, polled.ProjectID)
	left, err := agent.Notifications(t.Context(), sonzaiapi.AgentQuery{})
	require.NoError(t, err)
	require.Empty(t, left)
	pollOnce(t, p, hooks) // the same two wait as notifications of the project
	require.Len(t, seen.All(), 2)
}

func TestFailedNotificationStaysUntilItSucceeds(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	var fail atomic.Bool
	fail.Store(true)
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		if e.Data.MessageID == "msg_1" && fail.Load() {
			return errors.New("not yet")
		}
		return nil
	})
	seen.listen(hooks)
	first, second := p.emit(t, say("msg_1")), p.emit(t, say("msg_2"))
	err := upstream.PollProject(t.Context(), hooks, p.project, upstream.WithOnce())
	require.ErrorIs(t, err, upstream.ErrUnsettled)
	require.ErrorContains(t, err, "2 polled, 1 stay")
	require.Equal(t, 1, p.pending(t))
	fail.Store(false)
	pollOnce(t, p, hooks)
	require.Equal(t, []string{second, first}, seen.ids())
	require.Zero(t, p.pending(t))
}

func TestNotificationThatIsRefusedForGoodStaysUnlessItsOwnerKeptIt(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, nil)
	var runs, kept atomic.Int32
	hooks.OnMessage(func(context.Context, *sonzaihook.MessageEvent) error {
		runs.Add(1)
		return sonzaihook.Permanent(errors.New("never"))
	})
	hooks.OnDeadLetter(func(context.Context, *sonzaihook.Delivery, error) error {
		kept.Add(1)
		return nil
	})
	p.emit(t, say("msg_1"))
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	require.NoError(t, upstream.PollProject(ctx, hooks, p.project, upstream.WithInterval(time.Millisecond, 2*time.Millisecond), upstream.WithLogger(silent)))
	require.EqualValues(t, 1, runs.Load(), "one poll runs it once")
	require.EqualValues(t, 1, kept.Load())
	require.Equal(t, 1, p.pending(t))

	pollOnce(t, p, hooks, upstream.WithAcknowledgeRefused())
	require.EqualValues(t, 2, kept.Load())
	require.Zero(t, p.pending(t))
}

func TestTypesThatAreNotNamedAreLeftToOthers(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message, mood)
	p.emit(t, say("msg_1"))
	p.emit(t, simulator.Event{Type: string(mood)})
	p.emit(t, simulator.Event{Type: string(wakeup)})
	pollOnce(t, p, hooks, upstream.WithTypes(mood, message))
	require.Len(t, seen.All(), 2)
	require.Equal(t, 1, p.pending(t))
}

func TestOnePollGoesThroughMoreThanOnePage(t *testing.T) {
	t.Parallel()
	p, seen := newPlatform(t), &ledger{}
	hooks := newHooks(t, nil)
	var failures atomic.Int32
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		if e.Data.MessageID == "msg_0" {
			failures.Add(1)
			return errors.New("always")
		}
		return nil
	})
	seen.listen(hooks)
	for i := range 450 {
		p.emit(t, say("msg_"+string(rune('0'+min(i, 1)))))
	}
	err := upstream.PollProject(t.Context(), hooks, p.project, upstream.WithOnce())
	require.ErrorIs(t, err, upstream.ErrUnsettled)
	require.Len(t, seen.All(), 449)
	require.EqualValues(t, 1, failures.Load(), "it does not hold up the others, nor is it run for every page")
}

func TestAcknowledgementThatFailsIsMadeUpForWithoutRunningAgain(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message)
	p.emit(t, say("msg_1"))
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: acknowledge, Status: 503, Times: 1}))
	err := upstream.PollProject(t.Context(), hooks, p.project, upstream.WithOnce())
	require.ErrorIs(t, err, sonzaiapi.ErrUnavailable)
	require.Equal(t, 1, p.pending(t))
	pollOnce(t, p, hooks)
	require.Zero(t, p.pending(t))
	require.Len(t, seen.All(), 1)
}

func TestPollOutlastsAPlatformThatIsDownAndEndsWithAnErrorThatStays(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message)
	p.emit(t, say("msg_1"))
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: listProject, Status: 403}))
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: listProject, Status: 429, Times: 1}))
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: listProject, Drop: true, Times: 1}))
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: listProject, Status: 503, Times: 2}))
	quick := []upstream.Option{upstream.WithInterval(time.Millisecond, 2*time.Millisecond), upstream.WithLogger(silent)}
	require.ErrorIs(t, upstream.PollProject(t.Context(), hooks, p.project, quick...), sonzaiapi.ErrForbidden)

	p.Behave()
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: listProject, Status: 503, Times: 2}))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			stop()
			return next(ctx, d)
		}
	})
	require.NoError(t, upstream.PollProject(ctx, hooks, p.project, quick...), "the end of the context is no error")
	require.Len(t, seen.All(), 1)
	require.Zero(t, p.pending(t), "what was handled is acknowledged although the context has ended")

	wrong := p.client.Project("22222222-2222-4222-8222-222222222222")
	require.ErrorIs(t, upstream.PollProject(t.Context(), hooks, wrong, quick...), sonzaiapi.ErrNotFound)
	require.NoError(t, hooks.Shutdown(t.Context()))
	p.emit(t, say("msg_2"))
	require.ErrorIs(t, upstream.PollProject(t.Context(), hooks, p.project, quick...), sonzaihook.ErrShuttingDown)
}

func TestPollOfAWebPageEndsAtOnce(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html>"))
	}))
	defer web.Close()
	client, err := sonzaiapi.New("sk_test", sonzaiapi.WithBaseURL(web.URL))
	require.NoError(t, err)
	require.ErrorIs(t, upstream.PollAgent(t.Context(), newHooks(t, nil), client.Agent("a")), sonzaiapi.ErrNotJSON)
}

// direct makes the requests without a network, so that time may be a bubble's.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	d.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

func TestPollsBecomeRarerWhileNothingComesAndFrequentWhenSomethingDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim, err := simulator.New()
		require.NoError(t, err)
		defer sim.Close()
		var mu sync.Mutex
		var polls []time.Time
		client, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL("https://sim.example"+simulator.BasePath),
			sonzaiapi.WithHTTPClient(&http.Client{Transport: direct{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					mu.Lock()
					polls = append(polls, time.Now())
					mu.Unlock()
				}
				sim.ServeHTTP(w, r)
			})}}))
		require.NoError(t, err)
		hooks, seen := newHooks(t, nil), &ledger{}
		seen.listen(hooks, message)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- upstream.PollProject(ctx, hooks, client.Project(simulator.DefaultProject), upstream.WithInterval(time.Second, 16*time.Second))
		}()
		waits := func(during time.Duration) (waits []time.Duration) {
			time.Sleep(during)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			defer func() { polls = polls[len(polls)-1:] }()
			for i := range polls[1:] {
				waits = append(waits, polls[i+1].Sub(polls[i]))
			}
			return waits
		}
		between := func(waits []time.Duration, intervals ...time.Duration) {
			t.Helper()
			require.GreaterOrEqual(t, len(waits), len(intervals))
			for i, interval := range intervals {
				require.GreaterOrEqual(t, waits[i], interval*time.Second/2)
				require.LessOrEqual(t, waits[i], interval*time.Second*3/2)
			}
		}
		idle := waits(5 * time.Minute)
		between(idle, 1, 2, 4, 8, 16, 16, 16, 16)
		require.Greater(t, len(slices.Compact(slices.Sorted(slices.Values(idle[4:])))), 3, "they vary")
		_, err = sim.Emit(ctx, say("msg_1"))
		require.NoError(t, err)
		between(waits(5 * time.Minute)[1:], 1, 2, 4, 8, 16)
		require.Len(t, seen.All(), 1)
		stop()
		require.NoError(t, <-ended)
	})
}
