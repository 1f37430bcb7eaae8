package upstream_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

const (
	ready   sonzaihook.EventType = "on_wakeup_ready"
	updated sonzaihook.EventType = "on_mood_updated"
)

// strict is a platform that answers a call about one of these names with a status.
func strict(t *testing.T, refused map[string]int) (platform, *[]string) {
	t.Helper()
	sim, err := simulator.New(simulator.WithSpeed(100), simulator.WithProjects(simulator.DefaultProject, "p1"))
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	var mu sync.Mutex
	var calls []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, simulator.BasePath)
		mu.Lock()
		calls = append(calls, r.Method+" "+path)
		mu.Unlock()
		for name, status := range refused {
			if strings.Contains(path+"/", "/webhooks/"+name+"/") {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(status)
				_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "detail": "no such event type\u202e"})
				return
			}
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL(server.URL),
		sonzaiapi.WithRetries(1, time.Millisecond, time.Millisecond), sonzaiapi.WithLogger(silent))
	require.NoError(t, err)
	return platform{sim, client, client.Webhooks(), client.Project(simulator.DefaultProject)}, &calls
}

func namesOf(s *upstream.Subscription) (names []sonzaihook.EventType) {
	for _, r := range s.Registered {
		names = append(names, r.Name)
	}
	return names
}

func TestEachNameIsARegistrationWithItsSecret(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		types   []sonzaihook.EventType // of the callbacks
		options []upstream.Option
		want    []sonzaihook.EventType
	}{
		"the default, a type of two names": {types: []sonzaihook.EventType{wakeup}, want: []sonzaihook.EventType{wakeup, ready}},
		"the default, a type of one name":  {types: []sonzaihook.EventType{message}, want: []sonzaihook.EventType{message}},
		"the default, outside the table": {types: []sonzaihook.EventType{"lead.enriched"},
			want: []sonzaihook.EventType{"lead.enriched"}},
		"the dispatcher's name alone": {options: []upstream.Option{upstream.WithTypes(ready)}, want: []sonzaihook.EventType{ready}},
		"the documented name alone":   {options: []upstream.Option{upstream.WithTypes(wakeup)}, want: []sonzaihook.EventType{wakeup}},
		"both, twice": {options: []upstream.Option{upstream.WithTypes(ready, wakeup, ready)},
			want: []sonzaihook.EventType{ready, wakeup}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, v, target := newPlatform(t), &vault{}, newPart("", test.types...)
			subscription, err := upstream.Subscribe(t.Context(), target, p.webhooks, "https://me.example/{event}",
				append(test.options, upstream.WithSecretSink(v.save))...)
			require.NoError(t, err)
			require.Equal(t, test.want, namesOf(subscription))
			list, err := p.webhooks.List(t.Context())
			require.NoError(t, err)
			require.Len(t, list, len(test.want))
			for i, name := range test.want {
				require.Len(t, target.of(name), 1)
				require.Equal(t, target.of(name), v.load()[name], "saved under its name")
				require.Equal(t, string(name), list[i].EventType)
				require.Equal(t, "https://me.example/"+string(name), list[i].URL)
			}
			require.NoError(t, subscription.Unsubscribe(t.Context()))
			list, err = p.webhooks.List(t.Context())
			require.NoError(t, err)
			require.Empty(t, list)
		})
	}
}

func TestRotationOfANameLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	p, v, target := newPlatform(t), &vault{}, newPart("", wakeup)
	_, err := upstream.Subscribe(t.Context(), target, p.webhooks, "https://me.example/")
	require.NoError(t, err)
	documented, dispatcher := target.of(wakeup), target.of(ready)
	require.NoError(t, upstream.Rotate(t.Context(), target, p.webhooks, ready, time.Minute, upstream.WithSecretSink(v.save)))
	require.Equal(t, documented, target.of(wakeup))
	require.Len(t, target.of(ready), 2)
	require.Equal(t, dispatcher[0], target.of(ready)[1])
	require.Equal(t, sonzaihook.Secrets{ready: target.of(ready)[:1]}, v.load())
	require.ErrorIs(t, upstream.Rotate(t.Context(), target, p.webhooks, updated, 0), sonzaiapi.ErrNotFound)
}

func TestANameThatThePlatformRefusesIsReportedAndNotAnError(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refused map[string]int
		want    []sonzaihook.EventType
		problem sonzaihook.EventType
		kind    error
	}{
		"the dispatcher's name, 422": {map[string]int{string(ready): 422}, []sonzaihook.EventType{wakeup}, ready, sonzaiapi.ErrInvalidRequest},
		"the dispatcher's name, 400": {map[string]int{string(ready): 400}, []sonzaihook.EventType{wakeup}, ready, sonzaiapi.ErrInvalidRequest},
		"the dispatcher's name, 404": {map[string]int{string(ready): 404}, []sonzaihook.EventType{wakeup}, ready, sonzaiapi.ErrNotFound},
		"the dispatcher's name, 409": {map[string]int{string(ready): 409}, []sonzaihook.EventType{wakeup}, ready, sonzaiapi.ErrConflict},
		"the documented name":        {map[string]int{string(wakeup): 422}, []sonzaihook.EventType{ready}, wakeup, sonzaiapi.ErrInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := strict(t, test.refused)
			var log bytes.Buffer
			subscription, err := upstream.Subscribe(t.Context(), newPart("", wakeup), p.webhooks, "https://me.example/",
				upstream.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			require.NoError(t, err)
			require.Equal(t, test.want, namesOf(subscription))
			require.Len(t, subscription.Problems, 1)
			problem := subscription.Problems[0]
			require.Equal(t, wakeup, problem.Type)
			require.Equal(t, test.problem, problem.Name)
			require.ErrorIs(t, problem.Err, test.kind)
			require.Contains(t, log.String(), "name="+string(test.problem))
			require.NotContains(t, log.String(), "\u202e")
		})
	}
}

func TestARefusalIsAnErrorWhereItLeavesNothingOrNamesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		refused map[string]int
		options []upstream.Option
		kind    error
	}{
		"every name":                {map[string]int{string(wakeup): 422, string(ready): 404}, nil, sonzaiapi.ErrInvalidRequest},
		"a name that was asked for": {map[string]int{string(ready): 422}, []upstream.Option{upstream.WithTypes(wakeup, ready)}, sonzaiapi.ErrInvalidRequest},
		"the key":                   {map[string]int{string(ready): 401}, nil, sonzaiapi.ErrUnauthorized},
		"the rights of the key":     {map[string]int{string(ready): 403}, nil, sonzaiapi.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := strict(t, test.refused)
			subscription, err := upstream.Subscribe(t.Context(), newPart("", wakeup), p.webhooks, "https://me.example/",
				append(test.options, upstream.WithLogger(silent))...)
			require.ErrorIs(t, err, test.kind)
			require.Empty(t, subscription.Problems)
		})
	}
}

func TestASecondNameWithAnUnknownSecretIsReportedAndNotAnError(t *testing.T) {
	t.Parallel()
	p, target := newPlatform(t), newPart("", wakeup)
	_, err := p.webhooks.Register(t.Context(), string(ready), sonzaiapi.Target{URL: "https://other.example/"})
	require.NoError(t, err)
	subscription, err := upstream.Subscribe(t.Context(), target, p.webhooks, "https://me.example/", upstream.WithLogger(silent))
	require.NoError(t, err)
	require.Equal(t, []sonzaihook.EventType{wakeup}, namesOf(subscription))
	require.Len(t, subscription.Problems, 1)
	require.Equal(t, ready, subscription.Problems[0].Name)
	require.ErrorIs(t, subscription.Problems[0].Err, upstream.ErrSecretUnknown)
	list, err := p.webhooks.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "https://other.example/", list[0].URL, "it is left alone")

	subscription, err = upstream.Subscribe(t.Context(), target, p.webhooks, "https://me.example/", upstream.WithRotateUnknown())
	require.NoError(t, err)
	require.Equal(t, []sonzaihook.EventType{wakeup, ready}, namesOf(subscription))
	require.Empty(t, subscription.Problems)

	other := newPart("", wakeup)
	_, err = upstream.Subscribe(t.Context(), other, p.webhooks, "https://me.example/", upstream.WithTypes(ready))
	require.ErrorIs(t, err, upstream.ErrSecretUnknown, "a name that was asked for is an error")
	_, err = upstream.Subscribe(t.Context(), other, p.webhooks, "https://me.example/", upstream.WithLogger(silent))
	require.ErrorIs(t, err, upstream.ErrSecretUnknown, "so is the documented name")
	require.ErrorContains(t, err, "agent.wakeup")
}

func TestASecondNameWhoseSecretGotLostIsReportedAndUnsubscribed(t *testing.T) {
	t.Parallel()
	p, target := newPlatform(t), newPart("", wakeup)
	subscription, err := upstream.Subscribe(t.Context(), target, p.webhooks, "https://me.example/", upstream.WithLogger(silent),
		upstream.WithSecretSink(func(sonzaihook.EventType, sonzaiapi.Secret) error {
			return p.MisbehaveCalls(simulator.CallFault{Call: putWebhook, DropAnswer: true, Times: 1})
		}))
	require.NoError(t, err)
	require.Len(t, subscription.Problems, 1)
	require.Equal(t, ready, subscription.Problems[0].Name)
	require.ErrorIs(t, subscription.Problems[0].Err, upstream.ErrSecretUnknown)
	require.Equal(t, []sonzaihook.EventType{wakeup, ready}, namesOf(subscription))
	require.False(t, subscription.Registered[1].HasSecret)
	require.NoError(t, subscription.Unsubscribe(t.Context()))
	list, err := p.webhooks.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list, "it was registered, so it is deleted")
}

func TestNamesGoToThePlatformAsTheyAreGiven(t *testing.T) {
	t.Parallel()
	p, calls := strict(t, nil)
	hooks := newHooks(t, nil)
	(&ledger{}).listen(hooks, wakeup)
	for _, err := range upstream.Missed(t.Context(), p.webhooks, []sonzaihook.EventType{ready}, time.Time{}) {
		require.NoError(t, err)
	}
	_, err := upstream.Replay(t.Context(), hooks, p.webhooks, upstream.WithTypes(updated))
	require.NoError(t, err)
	require.Equal(t, []string{"GET /webhooks/on_wakeup_ready/attempts", "GET /webhooks/on_mood_updated/attempts"}, *calls)
	*calls = nil
	_, err = upstream.Replay(t.Context(), hooks, p.webhooks)
	require.NoError(t, err)
	require.Equal(t, []string{"GET /webhooks/agent.wakeup/attempts", "GET /webhooks/on_wakeup_ready/attempts"}, *calls)
}

func TestANotificationIsPolledUnderTheNameThatWasGiven(t *testing.T) {
	t.Parallel()
	p, seen := newPlatform(t), &ledger{}
	hooks := newHooks(t, nil)
	seen.listen(hooks, wakeup, mood)
	want := p.emit(t, simulator.Event{Type: string(ready)})
	p.emit(t, simulator.Event{Type: string(wakeup)})
	pollOnce(t, p, hooks, upstream.WithTypes(ready))
	require.Equal(t, []run{{sonzaihook.SourcePoll, wakeup, seen.ids()[0]}}, seen.All())
	require.Contains(t, seen.ids()[0], want)
	require.Equal(t, 1, p.pending(t))
}

func TestNoNameOrProjectClimbsOutOfAnAddress(t *testing.T) {
	t.Parallel()
	p, calls := strict(t, nil)
	hooks := newHooks(t, nil)
	for _, name := range []sonzaihook.EventType{"", ".", "..", sonzaihook.AnyEvent} {
		_, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, "https://me.example/{event}", upstream.WithTypes(name))
		require.ErrorIs(t, err, upstream.ErrInvalidOption, "%q", name)
		_, err = upstream.Subscribe(t.Context(), newPart("", name), p.webhooks, "https://me.example/{event}")
		require.ErrorIs(t, err, upstream.ErrInvalidOption, "%q", name)
		require.ErrorIs(t, upstream.Rotate(t.Context(), hooks, p.webhooks, name, 0), upstream.ErrInvalidOption, "%q", name)
		for _, err := range upstream.Missed(t.Context(), p.webhooks, []sonzaihook.EventType{name}, time.Time{}) {
			require.ErrorIs(t, err, upstream.ErrInvalidOption, "%q", name)
		}
	}
	require.Empty(t, *calls)
	subscription, err := upstream.Subscribe(t.Context(), newPart(""), p.webhooks, "https://me.example/{event}", upstream.WithTypes("../x/y z"))
	require.NoError(t, err)
	require.Equal(t, "https://me.example/..%2Fx%2Fy%20z", subscription.Registered[0].URL)
	require.Contains(t, *calls, "PUT /webhooks/../x/y z", "escaped on the wire, or the simulator would have refused it")
}

func TestARegistrationThatTheTypeOfACallbackDoesNotHaveIsNotReplayed(t *testing.T) {
	t.Parallel()
	p, _ := strict(t, map[string]int{string(ready): 404})
	report, err := upstream.Replay(t.Context(), newPart("", wakeup), p.webhooks)
	require.NoError(t, err)
	require.Empty(t, report.Deliveries)
	_, err = upstream.Replay(t.Context(), newPart("", wakeup), p.webhooks, upstream.WithTypes(ready))
	require.ErrorIs(t, err, sonzaiapi.ErrNotFound)
	none, _ := strict(t, map[string]int{string(ready): 404, string(wakeup): 404})
	_, err = upstream.Replay(t.Context(), newPart("", wakeup), none.webhooks)
	require.ErrorIs(t, err, sonzaiapi.ErrNotFound, "no name of the type is known to the platform")
}
