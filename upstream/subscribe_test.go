package upstream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

const (
	putWebhook    = "PUT /webhooks/{eventType}"
	rotateWebhook = "POST /webhooks/{eventType}/rotate-secret"
)

func TestSubscribedReceiverTakesDeliveriesOfEveryTypeThatHasACallback(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	types := append(sonzaihook.EventTypes(), "lead.enriched")
	seen.listen(hooks, types...)
	s := serve(t, hooks)
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url())
	require.NoError(t, err)
	require.Empty(t, subscription.Problems)
	var want []upstream.Registration
	for _, typ := range hooks.Types() {
		for _, name := range sonzaihook.WireNames(typ) {
			want = append(want, upstream.Registration{
				Type: typ, Name: sonzaihook.EventType(name), New: true, HasSecret: true,
				URL: "http://" + s.address + "/webhooks/sonzai/" + name,
			})
		}
		p.emit(t, simulator.Event{Type: string(typ), AgentID: "agent_1"})
	}
	require.Equal(t, want, subscription.Registered, "every known name of each type")
	// Without a type in its body, a delivery is known by its URL and its secret.
	p.emit(t, simulator.Event{Type: string(wakeup), Layout: simulator.LayoutBare, Data: map[string]any{"wakeup": map[string]string{"wakeup_id": "wk_1"}}})
	p.wait(t)
	require.Len(t, seen.All(), len(types)+1)
	for _, typ := range types {
		require.NotContains(t, p.codes(typ), http.StatusUnauthorized)
	}
}

func TestTypesCanBeNamedAndTheAuthHeaderIsRegistered(t *testing.T) {
	t.Parallel()
	p, seen := newPlatform(t), &ledger{}
	hooks := newHooks(t, nil, sonzaihook.WithAuthorization("Bearer mine"))
	seen.listen(hooks, message, mood)
	s := serve(t, hooks)
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(),
		upstream.WithTypes("on_mood_updated", "on_mood_updated"), upstream.WithAuthHeader("Bearer mine"))
	require.NoError(t, err)
	require.Len(t, subscription.Registered, 1, "only the name that was given")
	require.Equal(t, mood, subscription.Registered[0].Type)
	require.EqualValues(t, "on_mood_updated", subscription.Registered[0].Name)
	p.emit(t, simulator.Event{Type: string(mood)})
	p.wait(t)
	require.Equal(t, []int{200}, p.codes("on_mood_updated"))
}

func TestDeliveryThatArrivesBeforeItsSecretIsInstalledIsNotRefused(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message)
	s := serve(t, hooks)
	_, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(),
		upstream.WithSecretSink(func(sonzaihook.EventType, sonzaiapi.Secret) error {
			p.emit(t, say("msg_1"))
			require.Eventually(t, func() bool { return len(p.codes(message)) > 0 }, 5*time.Second, time.Millisecond)
			return nil
		}))
	require.NoError(t, err)
	p.wait(t)
	codes := p.codes(message)
	require.Equal(t, 503, codes[0])
	require.Equal(t, 200, codes[len(codes)-1])
	require.Len(t, seen.All(), 1)
}

func TestExistingRegistrationWithoutItsSecretIsLeftAloneUnlessRotationIsAskedFor(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message, mood, wakeup)
	for _, typ := range []sonzaihook.EventType{mood, wakeup} {
		_, err := p.webhooks.Register(t.Context(), string(typ), sonzaiapi.Target{URL: "https://other.example/hook"})
		require.NoError(t, err)
	}
	s := serve(t, hooks)

	types := upstream.WithTypes(message, mood, wakeup)
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(), types)
	require.ErrorIs(t, err, upstream.ErrSecretUnknown)
	require.ErrorContains(t, err, "agent.mood_change, agent.wakeup")
	require.ErrorContains(t, err, "WithRotateUnknown")
	require.Len(t, subscription.Registered, 1)
	require.Equal(t, message, subscription.Registered[0].Type)
	list, err := p.webhooks.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, "https://other.example/hook", list[0].URL, "its deliveries would be refused here")

	subscription, err = upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(), types, upstream.WithRotateUnknown())
	require.NoError(t, err)
	require.Len(t, subscription.Registered, 3)
	for _, entry := range subscription.Registered {
		require.Equal(t, entry.Type != message, entry.Rotated, "message has its secret already")
		require.True(t, entry.HasSecret)
		require.False(t, entry.New)
		require.NotEmpty(t, entry.PreviousURL)
		p.emit(t, simulator.Event{Type: string(entry.Type)})
	}
	p.wait(t)
	require.Len(t, seen.All(), 3)
}

func TestReceiverWithSavedSecretsIsSubscribedWithoutRotation(t *testing.T) {
	t.Parallel()
	p, first, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(first, message)
	_, saved := subscribed(t, p, first)

	second := newHooks(t, saved.load())
	seen.listen(second, message)
	s := serve(t, second)
	subscription, err := upstream.Subscribe(t.Context(), second, p.webhooks, s.url(), upstream.WithRotateUnknown())
	require.NoError(t, err)
	require.False(t, subscription.Registered[0].Rotated)
	p.emit(t, say("msg_1"))
	p.wait(t)
	require.Equal(t, []int{200}, p.codes(message))
	require.Contains(t, p.Attempts("", string(message))[0].URL, s.address, "the address is the new one")
}

func TestSecretThatCannotBeSavedIsInstalledAndReported(t *testing.T) {
	t.Parallel()
	p, hooks, seen, full := newPlatform(t), newHooks(t, nil), &ledger{}, errors.New("disk full")
	seen.listen(hooks, message, mood)
	s := serve(t, hooks)
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(),
		upstream.WithSecretSink(func(sonzaihook.EventType, sonzaiapi.Secret) error { return full }))
	require.ErrorIs(t, err, upstream.ErrSecretNotSaved)
	require.ErrorIs(t, err, full)
	require.Len(t, subscription.Registered, 1, "no further secret is put at risk")
	require.True(t, subscription.Registered[0].HasSecret)
	p.emit(t, say("msg_1"))
	p.wait(t)
	require.Equal(t, []int{200}, p.codes(message))
}

func TestSubscribeReportsWhatItRegisteredBeforeAFailureAndGoesOnWhenCalledAgain(t *testing.T) {
	t.Parallel()
	p, hooks, seen, v := newPlatform(t), newHooks(t, nil), &ledger{}, &vault{}
	seen.listen(hooks, message, mood)
	s := serve(t, hooks)
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(),
		upstream.WithSecretSink(func(typ sonzaihook.EventType, secret sonzaiapi.Secret) error {
			require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: putWebhook, Status: 403, Times: 1}))
			return v.save(typ, secret)
		}))
	require.ErrorIs(t, err, sonzaiapi.ErrForbidden)
	require.NotErrorIs(t, err, upstream.ErrSecretUnknown)
	require.Len(t, subscription.Registered, 1)
	require.Len(t, v.load(), 1)

	subscription, err = upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(), upstream.WithSecretSink(v.save))
	require.NoError(t, err)
	require.Len(t, subscription.Registered, 3)
	require.Len(t, v.load(), 3)
}

func TestSecretWhoseAnswerGotLostIsUnknownUntilItIsRotated(t *testing.T) {
	t.Parallel()
	p, hooks, seen := newPlatform(t), newHooks(t, nil), &ledger{}
	seen.listen(hooks, message)
	s := serve(t, hooks)
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: putWebhook, DropAnswer: true, Times: 1}))
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url())
	require.ErrorIs(t, err, upstream.ErrSecretUnknown)
	require.ErrorContains(t, err, "got lost")
	require.Len(t, subscription.Registered, 1)
	require.False(t, subscription.Registered[0].HasSecret)

	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: rotateWebhook, DropAnswer: true, Times: 1}))
	_, err = upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(), upstream.WithRotateUnknown())
	require.NoError(t, err)
	p.emit(t, say("msg_1"))
	p.wait(t)
	require.Len(t, seen.All(), 1)
}

func TestPlatformThatCannotBeReachedLeavesAnEmptySubscription(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, nil)
	(&ledger{}).listen(hooks, message)
	wrong, err := sonzaiapi.New("sk_wrong", sonzaiapi.WithBaseURL("http://127.0.0.1:1"), sonzaiapi.WithRetries(1, 1, 1))
	require.NoError(t, err)
	subscription, err := upstream.Subscribe(t.Context(), hooks, wrong.Webhooks(), "https://a.example/")
	require.ErrorIs(t, err, sonzaiapi.ErrUnavailable)
	require.Empty(t, subscription.Registered)

	subscription, err = upstream.Subscribe(t.Context(), hooks, p.webhooks, "http://a.example/")
	require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest)
	require.ErrorContains(t, err, "https://")
	require.Empty(t, subscription.Registered)
	require.NoError(t, subscription.Unsubscribe(t.Context()))
}

func TestUnsubscribeDeletesWhatIsLeftOfTheSubscription(t *testing.T) {
	t.Parallel()
	p, hooks := newPlatform(t), newHooks(t, nil)
	(&ledger{}).listen(hooks, message, mood, wakeup)
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, serve(t, hooks).url())
	require.NoError(t, err)
	require.NoError(t, p.webhooks.Delete(t.Context(), string(mood)))
	require.NoError(t, p.MisbehaveCalls(simulator.CallFault{Call: "DELETE /webhooks/{eventType}", Status: 403, Times: 1}))

	require.ErrorIs(t, subscription.Unsubscribe(t.Context()), sonzaiapi.ErrForbidden)
	require.Len(t, subscription.Registered, 1)
	require.NoError(t, subscription.Unsubscribe(t.Context()))
	list, err := p.webhooks.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestReceiverWithoutInitialSecretsRefusesEverything(t *testing.T) {
	t.Parallel()
	none, other := upstream.InitialSecrets(nil), upstream.SecretsSoFar(sonzaihook.Secrets{})
	require.NotEqual(t, none, other, "no sender can know them")
	hooks := newHooks(t, nil)
	for _, typ := range sonzaihook.EventTypes() {
		require.False(t, hooks.HasSecret(typ))
	}
	saved := sonzaihook.Secret("whsec_saved")
	require.Equal(t, saved, upstream.InitialSecrets(saved))
}

func TestImpossibleOptionsAreRefusedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]upstream.Option{
		"nil":                      nil,
		"WithTypes of nothing":     upstream.WithTypes(""),
		"WithTypes of any":         upstream.WithTypes(sonzaihook.AnyEvent),
		"WithTypes of a dot":       upstream.WithTypes(message, "."),
		"WithTypes of two dots":    upstream.WithTypes(".."),
		"WithInterval of zero":     upstream.WithInterval(0, time.Second),
		"WithInterval upside down": upstream.WithInterval(time.Minute, time.Second),
		"WithLogger(nil)":          upstream.WithLogger(nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hooks, ctx := newHooks(t, nil), t.Context()
			var nowhere sonzaiapi.Webhooks // a call with it would panic
			_, err := upstream.Subscribe(ctx, hooks, nowhere, "https://a.example/", option)
			require.ErrorIs(t, err, upstream.ErrInvalidOption)
			require.ErrorIs(t, upstream.Rotate(ctx, hooks, nowhere, message, 0, option), upstream.ErrInvalidOption)
			require.ErrorIs(t, upstream.PollProject(ctx, hooks, sonzaiapi.Project{}, option), upstream.ErrInvalidOption)
			require.ErrorIs(t, upstream.PollAgent(ctx, hooks, sonzaiapi.Agent{}, option), upstream.ErrInvalidOption)
			_, err = upstream.Replay(ctx, hooks, nowhere, option)
			require.ErrorIs(t, err, upstream.ErrInvalidOption)
		})
	}
}

func TestReceiverWithoutCallbacksHasNothingToSubscribeOrReplay(t *testing.T) {
	t.Parallel()
	hooks := newHooks(t, nil)
	hooks.OnOther(func(context.Context, *sonzaihook.Event[json.RawMessage]) error { return nil })
	_, err := upstream.Subscribe(t.Context(), hooks, sonzaiapi.Webhooks{}, "https://a.example/")
	require.ErrorIs(t, err, upstream.ErrInvalidOption)
	require.ErrorContains(t, err, "callback")
	_, err = upstream.Replay(t.Context(), hooks, sonzaiapi.Webhooks{})
	require.ErrorIs(t, err, upstream.ErrInvalidOption)
}

func TestNothingThatSubscribeReturnsShowsASecret(t *testing.T) {
	t.Parallel()
	p, hooks, v := newPlatform(t), newHooks(t, nil), &vault{}
	(&ledger{}).listen(hooks, message)
	subscription, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, serve(t, hooks).url(),
		upstream.WithSecretSink(v.save), upstream.WithAuthHeader("Bearer mine"))
	require.NoError(t, err)
	text := fmt.Sprintf("%+v %#v", subscription, subscription)
	require.NotContains(t, text, v.load()[message][0])
	require.NotContains(t, text, simulator.DefaultAPIKey)
	require.NotContains(t, text, "Bearer mine")
}
