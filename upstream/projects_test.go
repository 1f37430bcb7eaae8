package upstream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

func TestProjectsSideBySideKeepTheirSecretsApart(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, simulator.WithProjects("tenant", "p1", "p2"))
	parts := map[string]*part{}
	for _, id := range []string{"", "p1", "p2"} {
		target, webhooks := newPart(id, message), p.webhooks
		if id != "" {
			webhooks = p.client.Project(id).Webhooks()
		}
		subscription, err := upstream.Subscribe(t.Context(), target, webhooks, "https://me.example/x/{event}")
		require.NoError(t, err)
		require.True(t, subscription.Registered[0].New, "each project has its registration")
		require.Len(t, target.of(message), 1)
		parts[id] = target
	}
	before := parts["p2"].of(message)
	require.NoError(t, upstream.Rotate(t.Context(), parts["p1"], p.client.Project("p1").Webhooks(), message, 0))
	require.Equal(t, before, parts["p2"].of(message))
	require.NotEqual(t, parts["p1"].of(message), parts[""].of(message))
}

func TestThePartOfAnotherProjectIsRefusedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	p, calls := strict(t, nil)
	tenant, one := p.client.Webhooks(), p.client.Project("p1").Webhooks()
	for name, test := range map[string]struct {
		target   upstream.Target
		webhooks sonzaiapi.Webhooks
		project  sonzaiapi.Project
	}{
		"another project":           {newPart("p2", message), one, p.client.Project("p1")},
		"a project and the tenant":  {newPart("p2", message), tenant, p.client.Project("")},
		"nothing":                   {nil, one, p.client.Project("p1")},
		"a receiver that is absent": {(*sonzaihook.Receiver)(nil), one, p.client.Project("p1")},
	} {
		_, err := upstream.Subscribe(t.Context(), test.target, test.webhooks, "https://me.example/")
		require.ErrorIs(t, err, upstream.ErrInvalidOption, name)
		require.ErrorIs(t, upstream.Rotate(t.Context(), test.target, test.webhooks, message, 0), upstream.ErrInvalidOption, name)
		_, err = upstream.Replay(t.Context(), test.target, test.webhooks)
		require.ErrorIs(t, err, upstream.ErrInvalidOption, name)
		require.ErrorIs(t, upstream.PollProject(t.Context(), test.target, test.project), upstream.ErrInvalidOption, name)
	}
	require.Empty(t, *calls)
}

func TestAPlaceForTheProjectIsFilledIn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, simulator.WithProjects("tenant", "p/1"))
	const address = "https://me.example/webhooks/sonzai/{project}/{event}"
	subscription, err := upstream.Subscribe(t.Context(), newPart("p/1", message), p.client.Project("p/1").Webhooks(), address)
	require.NoError(t, err)
	require.Equal(t, "https://me.example/webhooks/sonzai/p%2F1/agent.message", subscription.Registered[0].URL)
	_, err = upstream.Subscribe(t.Context(), newPart("", message), p.webhooks, address)
	require.ErrorIs(t, err, upstream.ErrInvalidOption)
	require.ErrorContains(t, err, "{project}")
}

func TestWhatIsPolledAndReplayedSaysOfWhichProjectItIs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, simulator.WithProjects("tenant", "p1"), simulator.WithAttempts(1, time.Second, time.Second))
	one := p.client.Project("p1")
	target := newPart("p1", message)
	_, err := upstream.Subscribe(t.Context(), target, one.Webhooks(), "http://127.0.0.1:1/")
	require.NoError(t, err)
	e := say("msg_1")
	e.ProjectID = "p1"
	p.emit(t, e)
	p.wait(t)

	require.NoError(t, upstream.PollProject(t.Context(), target, one, upstream.WithOnce()))
	report, err := upstream.Replay(t.Context(), target, one.Webhooks())
	require.NoError(t, err)
	require.Len(t, report.Deliveries, 1)
	require.Equal(t, "p1", report.Deliveries[0].Project)
	require.Equal(t, message, report.Deliveries[0].Name)
	require.NoError(t, upstream.PollAgent(t.Context(), target, p.client.Agent("agent_1"), upstream.WithOnce()))
	require.Len(t, target.dispatched, 3)
	for i, source := range []sonzaihook.Source{sonzaihook.SourcePoll, sonzaihook.SourceReplay, sonzaihook.SourcePoll} {
		require.Equal(t, source, target.dispatched[i].Source)
		require.Equal(t, "p1", target.dispatched[i].Project)
		require.Equal(t, message, target.dispatched[i].Type)
	}
}
