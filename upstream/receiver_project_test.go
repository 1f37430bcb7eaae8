package upstream_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func TestOneReceiverServesSeveralProjects(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, simulator.WithProjects("tenant", "p1", "p2"))
	hooks, seen := newHooks(t, nil), &ledger{}
	seen.listen(hooks, message)
	projects := map[string]string{}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		projects[e.Data.MessageID] = e.ProjectID
		return nil
	})
	s := serve(t, hooks)
	saved := map[string]*vault{"p1": {}, "p2": {}}
	for id, v := range saved {
		_, err := upstream.Subscribe(t.Context(), hooks, p.client.Project(id).Webhooks(), "http://"+s.address+"/webhooks/sonzai/{event}",
			upstream.WithSecretSink(v.save))
		require.NoError(t, err)
		require.True(t, hooks.Project(id).HasSecret(message))
	}
	require.False(t, hooks.HasSecret(message), "the tenant has none")
	for id := range saved {
		e := say("msg_" + id)
		e.ProjectID = id
		p.emit(t, e)
		p.wait(t)
	}
	require.Equal(t, map[string]string{"msg_p1": "p1", "msg_p2": "p2"}, projects)

	require.NoError(t, upstream.Rotate(t.Context(), hooks, p.client.Project("p1").Webhooks(), message, 0))
	e := say("msg_again")
	e.ProjectID = "p2"
	p.emit(t, e)
	p.wait(t)
	require.Equal(t, "p2", projects["msg_again"], "the rotation of p1 left p2 alone")

	other := hooks.Project("p2")
	require.ErrorIs(t, upstream.Rotate(t.Context(), other, p.client.Project("p1").Webhooks(), message, 0), upstream.ErrInvalidOption)
	require.ErrorIs(t, upstream.Rotate(t.Context(), other, p.webhooks, message, 0), upstream.ErrInvalidOption)
	require.ErrorIs(t, upstream.Rotate(t.Context(), (*sonzaihook.Project)(nil), p.webhooks, message, 0), upstream.ErrInvalidOption)
	require.NoError(t, upstream.Rotate(t.Context(), other, p.client.Project("p2").Webhooks(), message, time.Minute))
}

func TestTwoNamesOfATypeDoNotPushOutEachOthersSecret(t *testing.T) {
	t.Parallel()
	p, hooks, seen, v := newPlatform(t), newHooks(t, nil), &ledger{}, &vault{}
	seen.listen(hooks, wakeup)
	s := serve(t, hooks)
	_, err := upstream.Subscribe(t.Context(), hooks, p.webhooks, s.url(), upstream.WithSecretSink(v.save))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, upstream.Rotate(t.Context(), hooks, p.webhooks, ready, 0, upstream.WithSecretSink(v.save)))
	}
	p.emit(t, simulator.Event{Type: string(wakeup)})
	p.emit(t, simulator.Event{Type: string(ready)})
	p.wait(t)
	require.Equal(t, []int{200}, p.codes(wakeup))
	require.Equal(t, []int{200}, p.codes(ready))
	require.Len(t, seen.All(), 2)

	again := newHooks(t, v.load())
	(&ledger{}).listen(again, wakeup)
	subscription, err := upstream.Subscribe(t.Context(), again, p.webhooks, s.url())
	require.NoError(t, err)
	require.Len(t, subscription.Registered, 2, "each name has its saved secret")
	require.Empty(t, subscription.Problems)
}

func TestAPolledEventHasTheProjectThatThePushedOneHas(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		subscribe string // the project whose registrations lead here; "tenant" for the tenant's
		want      string
	}{
		"the project's registrations": {"p1", "p1"},
		"the tenant's registrations":  {"tenant", ""},
		"no registrations":            {"", "p1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, seen := newPlatform(t, simulator.WithProjects("p1")), &ledger{}
			hooks := newHooks(t, nil, sonzaihook.WithIdentity(sonzaihook.NaturalIdentity))
			seen.listen(hooks, message)
			var projects []string
			hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
				return func(ctx context.Context, d *sonzaihook.Delivery) error {
					projects = append(projects, d.Project)
					return next(ctx, d)
				}
			})
			webhooks := p.client.Project("p1").Webhooks()
			if test.subscribe == "tenant" {
				webhooks = p.webhooks
			}
			if test.subscribe != "" {
				s := serve(t, hooks)
				_, err := upstream.Subscribe(t.Context(), hooks, webhooks, s.url())
				require.NoError(t, err)
			}
			e := say("msg_1")
			e.ProjectID = "p1"
			p.emit(t, e)
			p.wait(t)
			require.NoError(t, upstream.PollProject(t.Context(), hooks, p.client.Project("p1"), upstream.WithOnce()))
			require.Len(t, seen.All(), 1, "pushed and polled are one")
			require.Equal(t, []string{test.want}, projects)
		})
	}
}
