package simulator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
)

const mood = "agent.mood_change"

func TestADeliveryIsSignedWithTheSecretOfItsRegistration(t *testing.T) {
	t.Parallel()
	r := answering(200)
	sim := start(t, r)
	secret := register(t, sim, mood)
	other := register(t, sim, "agent.message")
	id := emit(t, sim, simulator.Event{
		Type: mood, AgentID: "agent_1", UserID: "user_1", Data: map[string]any{"label": "calm"},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
	wait(t, sim)
	require.Len(t, r.deliveries(), 1)
	got := r.deliveries()[0]
	require.Equal(t, "https://receiver.example/hook", got.url)
	require.Equal(t, "Bearer mine", got.header.Get("Authorization"))
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	signature := got.header.Get(sonzaihook.SignatureHeader)
	require.NoError(t, sonzaihook.Verify([]byte(got.body), signature, secret, time.Now(), time.Minute))
	require.ErrorIs(t, sonzaihook.Verify([]byte(got.body), signature, other, time.Now(), time.Minute),
		sonzaihook.ErrSignatureMismatch)
	require.JSONEq(t, fmt.Sprintf(`{"event_type":"agent.mood_change","event_id":%q,"agent_id":"agent_1","user_id":"user_1",
		"project_id":%q,"created_at":"2026-01-02T03:04:05Z","data":{"label":"calm"}}`, id, simulator.DefaultProject), got.body)
	require.Equal(t, simulator.Stats{Emitted: 1, Attempts: 1, Delivered: 1}, sim.Stats())
}

func TestEachLayoutHasItsForm(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	event := simulator.Event{Type: mood, ID: "evt_1", AgentID: "a", CreatedAt: at, Data: map[string]any{"label": "calm", "agent_id": "b"}}
	head := fmt.Sprintf(`"event_type":"agent.mood_change","agent_id":"a","project_id":%q,"created_at":"2026-01-02T03:04:05Z"`,
		simulator.DefaultProject)
	tests := map[simulator.Layout]string{
		"":                   `{` + head + `,"event_id":"evt_1","data":{"label":"calm","agent_id":"b"}}`,
		simulator.LayoutData: `{` + head + `,"event_id":"evt_1","data":{"label":"calm","agent_id":"b"}}`,
		simulator.LayoutFlat: `{` + head + `,"event_id":"evt_1","label":"calm"}`,
		simulator.LayoutBare: `{"label":"calm","agent_id":"b"}`,
	}
	for layout, want := range tests {
		t.Run("layout "+string(layout), func(t *testing.T) {
			t.Parallel()
			r := answering(200)
			sim := start(t, r)
			register(t, sim, mood)
			e := event
			e.Layout = layout
			emit(t, sim, e)
			wait(t, sim)
			require.JSONEq(t, want, r.deliveries()[0].body)
		})
	}
	r := answering(200)
	sim := start(t, r, simulator.WithLayout(simulator.LayoutFlat))
	register(t, sim, mood)
	anonymous := event
	anonymous.WithoutID, anonymous.Name = true, "on_mood_updated"
	emit(t, sim, anonymous)
	wait(t, sim)
	renamed := strings.Replace(head, mood, "on_mood_updated", 1)
	require.JSONEq(t, `{`+renamed+`,"label":"calm"}`, r.deliveries()[0].body)
}

func TestAnEventThatCannotBeSentIsRefused(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200))
	for name, e := range map[string]simulator.Event{
		"no type":         {},
		"unknown project": {Type: mood, ProjectID: "no-such"},
		"unknown layout":  {Type: mood, Layout: "round"},
		"unknown route":   {Type: mood, Route: "pigeon"},
		"a list as data":  {Type: mood, Data: []int{1}},
		"no JSON":         {Type: mood, Data: func() {}},
	} {
		_, err := sim.Emit(t.Context(), e)
		require.ErrorIs(t, err, simulator.ErrInvalidEvent, name)
	}
	require.Zero(t, sim.Stats().Emitted)
}

func TestServerErrorsAndFailedConnectionsAreTriedAgain(t *testing.T) {
	t.Parallel()
	const s = time.Second
	tests := map[string]struct {
		statuses []int
		opts     []simulator.Option
		at       []time.Duration
		stats    simulator.Stats
	}{
		"twice, then good": {
			[]int{503, 0, 200}, nil, []time.Duration{0, s, 3 * s},
			simulator.Stats{Emitted: 1, Attempts: 3, Delivered: 1}},
		"never good": {
			[]int{500}, []simulator.Option{simulator.WithAttempts(5, s, 3*s)}, []time.Duration{0, s, 3 * s, 6 * s, 9 * s},
			simulator.Stats{Emitted: 1, Attempts: 5, Failed: 1}},
		"faster": {
			[]int{500, 500, 200}, []simulator.Option{simulator.WithSpeed(100)},
			[]time.Duration{0, s / 100, 3 * s / 100}, simulator.Stats{Emitted: 1, Attempts: 3, Delivered: 1}},
		"retries off": {
			[]int{500}, []simulator.Option{simulator.WithAttempts(1, s, s)}, []time.Duration{0},
			simulator.Stats{Emitted: 1, Attempts: 1, Failed: 1}},
		"a 400 is final": {[]int{400}, nil, []time.Duration{0}, simulator.Stats{Emitted: 1, Attempts: 1, Failed: 1}},
		"a 401 is final": {[]int{401}, nil, []time.Duration{0}, simulator.Stats{Emitted: 1, Attempts: 1, Failed: 1}},
		"a 429 is final": {[]int{429}, nil, []time.Duration{0}, simulator.Stats{Emitted: 1, Attempts: 1, Failed: 1}},
		"a 302 is final": {[]int{302}, nil, []time.Duration{0}, simulator.Stats{Emitted: 1, Attempts: 1, Failed: 1}},
		"a 202 is good":  {[]int{202}, nil, []time.Duration{0}, simulator.Stats{Emitted: 1, Attempts: 1, Delivered: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := answering(test.statuses...)
				sim := start(t, r, test.opts...)
				register(t, sim, mood)
				began := time.Now()
				emit(t, sim, simulator.Event{Type: mood})
				wait(t, sim)
				var at []time.Duration
				for _, d := range r.deliveries() {
					at = append(at, d.at.Sub(began))
				}
				require.Equal(t, test.at, at)
				require.Equal(t, test.stats, sim.Stats())
			})
		})
	}
}

func TestARetryIsSignedAnewOrRepeatsTheBytes(t *testing.T) {
	t.Parallel()
	for name, repeat := range map[string]bool{"signed anew": false, "the same bytes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				opts := []simulator.Option{}
				if repeat {
					opts = append(opts, simulator.WithRepeatedSignature())
				}
				r := answering(503, 200)
				sim := start(t, r, opts...)
				secret := register(t, sim, mood)
				emit(t, sim, simulator.Event{Type: mood})
				wait(t, sim)
				got := r.deliveries()
				require.Len(t, got, 2)
				require.Equal(t, got[0].body, got[1].body)
				first, second := got[0].header.Get(sonzaihook.SignatureHeader), got[1].header.Get(sonzaihook.SignatureHeader)
				require.Equal(t, repeat, first == second)
				at := got[1].at
				if repeat {
					at = got[0].at
				}
				require.NoError(t, sonzaihook.Verify([]byte(got[1].body), second, secret, at, 0))
			})
		})
	}
}

func TestARotatedSecretIsInvalidAtOnceOrAlsoSignsForAWhile(t *testing.T) {
	t.Parallel()
	for name, overlap := range map[string]time.Duration{"at once": 0, "for a minute": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := answering(200)
				sim := start(t, r, simulator.WithRotationOverlap(overlap))
				old := register(t, sim, mood)
				secret := rotate(t, sim, mood)
				require.NotEqual(t, old, secret)
				check := func(secret string) error {
					emit(t, sim, simulator.Event{Type: mood})
					wait(t, sim)
					got := r.deliveries()[len(r.deliveries())-1]
					return sonzaihook.Verify([]byte(got.body), got.header.Get(sonzaihook.SignatureHeader), secret, time.Now(), 0)
				}
				require.NoError(t, check(secret))
				if overlap == 0 {
					require.ErrorIs(t, check(old), sonzaihook.ErrSignatureMismatch)
				} else {
					require.NoError(t, check(old))
				}
				time.Sleep(overlap)
				require.NoError(t, check(secret))
				require.ErrorIs(t, check(old), sonzaihook.ErrSignatureMismatch)
			})
		})
	}
}

func TestADeletedRegistrationEndsItsRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := answering(503)
		sim := start(t, r)
		register(t, sim, mood)
		emit(t, sim, simulator.Event{Type: mood})
		synctest.Wait()
		status, _ := call(t, sim, "DELETE", "/webhooks/"+mood, "")
		require.Equal(t, http.StatusNoContent, status)
		wait(t, sim)
		require.Len(t, r.deliveries(), 1)
		require.EqualValues(t, 1, sim.Stats().Failed)
		require.Len(t, sim.Attempts("", mood), 1, "the log outlives the registration")
	})
}

func TestAnEventTakesTheRouteThatItNames(t *testing.T) {
	t.Parallel()
	r := answering(200)
	sim := start(t, r)
	register(t, sim, mood)
	emit(t, sim, simulator.Event{Type: mood, Data: map[string]int{"n": 1}})
	emit(t, sim, simulator.Event{Type: mood, Data: map[string]int{"n": 2}, Route: simulator.RoutePush})
	emit(t, sim, simulator.Event{Type: mood, Data: map[string]int{"n": 3}, Route: simulator.RoutePoll})
	emit(t, sim, simulator.Event{Type: "not.registered", Data: map[string]int{"n": 4}})
	wait(t, sim)
	require.Len(t, r.deliveries(), 2)
	_, answer := call(t, sim, "GET", "/projects/"+simulator.DefaultProject+"/notifications", "")
	require.EqualValues(t, 3, answer["count"])
}

func TestARealReceiverThatHangsOrIsGoneIsLogged(t *testing.T) {
	t.Parallel()
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees the connection close only after this
		<-r.Context().Done()
	}))
	defer hanging.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tests := map[string]struct {
		url, fault string
		timeout    time.Duration
	}{
		"hangs":   {hanging.URL, "the receiver did not answer in time", 20 * time.Millisecond},
		"is gone": {gone.URL, "connection refused", time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sim, err := simulator.New(simulator.WithAttempts(1, 1, 1), simulator.WithDeliveryTimeout(test.timeout))
			require.NoError(t, err)
			defer sim.Close()
			status, answer := call(t, sim, "PUT", "/webhooks/x", fmt.Sprintf(`{"webhook_url":%q}`, test.url))
			require.Equal(t, 200, status, answer)
			emit(t, sim, simulator.Event{Type: "x"})
			wait(t, sim)
			attempts := sim.Attempts("", "x")
			require.Len(t, attempts, 1)
			require.Contains(t, attempts[0].Error, test.fault)
			require.Zero(t, attempts[0].Code)
			require.False(t, attempts[0].Delivered())
		})
	}
}

func TestEmitWaitsWhileTheBacklogIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := answering(200)
		sim := start(t, roundTripper(func(request *http.Request) (*http.Response, error) {
			<-release
			return r.RoundTrip(request)
		}), simulator.WithWorkers(1), simulator.WithBacklog(2))
		register(t, sim, mood)
		emit(t, sim, simulator.Event{Type: mood})
		emit(t, sim, simulator.Event{Type: mood})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := sim.Emit(ctx, simulator.Event{Type: mood})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, sim.Wait(ctx), context.DeadlineExceeded)
		require.ErrorContains(t, sim.Wait(ctx), "2 deliveries are not settled")
		close(release)
		wait(t, sim)
		require.Len(t, r.deliveries(), 2)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCloseGivesUpWhatIsNotSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := start(t, answering(503))
		register(t, sim, mood)
		emit(t, sim, simulator.Event{Type: mood})
		synctest.Wait()
		sim.Close()
		sim.Close() // a second time does nothing
		require.ErrorIs(t, sim.Wait(t.Context()), simulator.ErrClosed)
		_, err := sim.Emit(t.Context(), simulator.Event{Type: mood})
		require.ErrorIs(t, err, simulator.ErrClosed)
		status, _ := call(t, sim, "GET", "/webhooks", "")
		require.Equal(t, http.StatusServiceUnavailable, status)
	})
}

func TestTheObserverSeesEachAttempt(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	sim := start(t, answering(500, 200), simulator.WithSpeed(1e6), simulator.WithObserver(func(a simulator.Attempt) {
		seen.Add(int64(a.Number))
	}))
	register(t, sim, mood)
	emit(t, sim, simulator.Event{Type: mood})
	wait(t, sim)
	require.EqualValues(t, 1+2, seen.Load())
}

func TestManyEventsAllArrive(t *testing.T) {
	t.Parallel()
	const events = 1000
	var verified atomic.Int64
	secrets := make(chan string, 1)
	var secret sync.Once
	var key string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret.Do(func() { key = <-secrets })
		body, err := io.ReadAll(r.Body)
		signature := r.Header.Get(sonzaihook.SignatureHeader)
		if err != nil || sonzaihook.Verify(body, signature, key, time.Now(), time.Minute) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		verified.Add(1)
	}))
	defer server.Close()
	sim, err := simulator.New()
	require.NoError(t, err)
	defer sim.Close()
	_, answer := call(t, sim, "PUT", "/webhooks/x", fmt.Sprintf(`{"webhook_url":%q}`, server.URL))
	secrets <- answer["signing_secret"].(string)
	for range events {
		emit(t, sim, simulator.Event{Type: "x"})
	}
	wait(t, sim)
	require.EqualValues(t, events, verified.Load())
	require.Len(t, sim.Attempts("", "x"), events)
}

// BenchmarkDelivery is one event from Emit to the settled delivery over a
// loopback connection, the receiver's part included.
func BenchmarkDelivery(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	defer server.Close()
	sim, err := simulator.New()
	require.NoError(b, err)
	defer sim.Close()
	request := httptest.NewRequest(http.MethodPut, simulator.BasePath+"/webhooks/x",
		strings.NewReader(fmt.Sprintf(`{"webhook_url":%q}`, server.URL)))
	request.Header.Set("Authorization", "Bearer "+simulator.DefaultAPIKey)
	request.Header.Set("Content-Type", "application/json")
	sim.ServeHTTP(httptest.NewRecorder(), request)
	for b.Loop() {
		if _, err := sim.Emit(b.Context(), simulator.Event{Type: "x"}); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, sim.Wait(b.Context()))
	b.ReportMetric(float64(sim.Stats().Delivered)/b.Elapsed().Seconds(), "deliveries/s")
}
