package sonzaiapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/traffic"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

const otherProject = "11111111-1111-4111-8111-111111111111"

// platform is a simulator whose every call is kept, for checks/contract holds it
// against the platform's document.
type platform struct {
	sim    *simulator.Simulator
	client *sonzaiapi.Client
}

func newPlatform(t *testing.T, opts ...simulator.Option) platform {
	t.Helper()
	opts = append([]simulator.Option{simulator.WithProjects(simulator.DefaultProject, otherProject)}, opts...)
	sim, err := simulator.New(opts...)
	require.NoError(t, err)
	t.Cleanup(sim.Close)
	server := httptest.NewServer(traffic.Keep(t, sim))
	t.Cleanup(server.Close)
	client, err := sonzaiapi.New(simulator.DefaultAPIKey, sonzaiapi.WithBaseURL(server.URL+simulator.BasePath),
		sonzaiapi.WithRetries(3, time.Millisecond, time.Millisecond))
	require.NoError(t, err)
	return platform{sim, client}
}

// newReceiver answers every delivery with the status.
func newReceiver(t *testing.T, status int) *httptest.Server {
	t.Helper()
	return newHandler(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"code":"seen"}`))
	})
}

func newHandler(t *testing.T, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server
}

func TestEveryCallReachesThePlatform(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	receiver := newReceiver(t, http.StatusOK)
	useWebhooks(t, p, p.client.Webhooks(), simulator.DefaultProject, receiver.URL)
	useWebhooks(t, p, p.client.Project(otherProject).Webhooks(), otherProject, receiver.URL)
	useChannels(t, p.client.Channels(), simulator.DefaultProject, receiver.URL)
	useChannels(t, p.client.Project(otherProject).Channels(), otherProject, receiver.URL)
	useProject(t, p)
	useAgent(t, p)
}

func useWebhooks(t *testing.T, p platform, webhooks sonzaiapi.Webhooks, project, url string) {
	t.Helper()
	const eventType = "lead/enriched ä" // it needs escaping
	ctx := t.Context()
	target := sonzaiapi.Target{URL: url + "/hook", AuthHeader: "Bearer mine"}
	first, err := webhooks.Register(ctx, eventType, target)
	require.NoError(t, err)
	require.Contains(t, string(first), "whsec_")
	again, err := webhooks.Register(ctx, eventType, target)
	require.NoError(t, err)
	require.Empty(t, string(again), "only the first registration gives a secret")

	list, err := webhooks.List(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, eventType, list[0].EventType)
	require.Equal(t, project, list[0].ProjectID)
	require.Equal(t, target.URL, list[0].URL)
	require.Equal(t, target.AuthHeader, list[0].AuthHeader)
	require.True(t, list[0].Active)
	require.WithinDuration(t, time.Now(), list[0].CreatedAt.Time, time.Minute)

	rotated, err := webhooks.RotateSecret(ctx, eventType)
	require.NoError(t, err)
	require.NotEqual(t, string(first), string(rotated))

	for range 5 {
		_, err := p.sim.Emit(ctx, simulator.Event{Type: eventType, ProjectID: project, Data: map[string]int{"n": 1}})
		require.NoError(t, err)
	}
	require.NoError(t, p.sim.Wait(ctx))
	numbers := map[string]bool{}
	for attempt, err := range webhooks.Attempts(ctx, eventType, 2) {
		require.NoError(t, err)
		require.True(t, attempt.Delivered())
		require.Equal(t, 1, attempt.Number)
		require.JSONEq(t, `{"code":"seen"}`, string(attempt.ResponseBody))
		require.Contains(t, string(attempt.RequestBody), `"data":{"n":1}`)
		numbers[attempt.ID] = true
	}
	require.Len(t, numbers, 5, "pages of two must add up")
	require.NoError(t, webhooks.Delete(ctx, eventType))
	require.ErrorIs(t, webhooks.Delete(ctx, eventType), sonzaiapi.ErrNotFound)
}

func useProject(t *testing.T, p platform) {
	t.Helper()
	ctx, project := t.Context(), p.client.Project(otherProject)
	_, err := project.AcknowledgeAll(ctx, "", "")
	require.NoError(t, err)
	ids := make([]string, 3)
	for i, eventType := range []string{"agent.mood_change", "agent.breakthrough", "agent.breakthrough"} {
		ids[i], err = p.sim.Emit(ctx, simulator.Event{
			Type: eventType, ProjectID: otherProject, AgentID: "agent_1", UserID: "user_1", Data: map[string]any{"label": "calm"},
		})
		require.NoError(t, err)
	}
	list, err := project.Notifications(ctx, sonzaiapi.ProjectQuery{EventType: "agent.mood_change", AgentID: "agent_1", Limit: 200})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, ids[0], list[0].ID)
	require.Equal(t, "user_1", list[0].UserID)
	require.JSONEq(t, `{"label":"calm"}`, string(list[0].Payload))

	none, err := project.Acknowledge(ctx)
	require.NoError(t, err)
	require.Zero(t, none)
	n, err := project.Acknowledge(ctx, ids[0], "unknown")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = project.AcknowledgeAll(ctx, "agent_1", "agent.breakthrough")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	list, err = project.Notifications(ctx, sonzaiapi.ProjectQuery{})
	require.NoError(t, err)
	require.Empty(t, list)
}

func useAgent(t *testing.T, p platform) {
	t.Helper()
	ctx, agent := t.Context(), p.client.Agent("Mira & co/1")
	_, err := p.sim.Emit(ctx, simulator.Event{
		Type: "agent.message", AgentID: "Mira & co/1", UserID: "user_1",
		Data: map[string]any{"message_id": "msg/1", "content": "How was it?", "check_type": "check_in"},
	})
	require.NoError(t, err)
	waiting, err := agent.Notifications(ctx, sonzaiapi.AgentQuery{UserID: "user_1", Status: "pending", Limit: 500})
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	require.Equal(t, "How was it?", waiting[0].Message)
	require.NoError(t, agent.Consume(ctx, "msg/1"))
	require.ErrorIs(t, agent.Consume(ctx, "msg/2"), sonzaiapi.ErrNotFound)
	waiting, err = agent.Notifications(ctx, sonzaiapi.AgentQuery{})
	require.NoError(t, err)
	require.Empty(t, waiting)
	history, err := agent.History(ctx, 1)
	require.NoError(t, err)
	require.Len(t, history, 1)
	require.Equal(t, "consumed", history[0].Status)
	require.False(t, history[0].ConsumedAt.IsZero())

	at := time.Now().Add(100 * time.Hour)
	scheduled, err := agent.ScheduleWakeup(ctx, sonzaiapi.WakeupRequest{
		UserID: "user_1", CheckType: "birthday", Intent: "wish well", At: at, DelayHours: 5,
		Occasion: "birthday", InterestTopic: "cake", EventDescription: "turns 30",
	})
	require.NoError(t, err)
	require.WithinDuration(t, at, scheduled.ScheduledAt.Time, time.Second, "At wins over DelayHours")
	wakeups, err := agent.Wakeups(ctx, sonzaiapi.WakeupQuery{Status: "pending", Limit: 1})
	require.NoError(t, err)
	require.Len(t, wakeups, 1)
	require.Equal(t, scheduled.ID, wakeups[0].ID)
	require.Equal(t, "cake", wakeups[0].InterestTopic)
}

func TestAnUnknownProjectAndAWrongKeySayWhatToDo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	_, err := p.client.Project("no-such").Webhooks().List(t.Context())
	require.ErrorIs(t, err, sonzaiapi.ErrNotFound)
	require.EqualError(t, err, "sonzaiapi: GET /projects/no-such/webhooks: 404 Not Found: "+
		"there is no such project: check the project id and the rest of the path")

	server := httptest.NewServer(p.sim)
	defer server.Close()
	wrong, err := sonzaiapi.New("sk_wrong", sonzaiapi.WithBaseURL(server.URL+simulator.BasePath))
	require.NoError(t, err)
	_, err = wrong.Webhooks().List(t.Context())
	require.ErrorIs(t, err, sonzaiapi.ErrUnauthorized)
	require.EqualError(t, err, "sonzaiapi: GET /webhooks: 401 Unauthorized: "+
		"the API key is missing or wrong: check the API key (SONZAI_API_KEY)")
}

func TestADeleteWhoseAnswerWasLostSucceeds(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	receiver := newReceiver(t, http.StatusOK)
	_, err := p.client.Webhooks().Register(t.Context(), "agent.message", sonzaiapi.Target{URL: receiver.URL})
	require.NoError(t, err)
	require.NoError(t, p.sim.MisbehaveCalls(simulator.CallFault{
		Call: "DELETE /webhooks/{eventType}", Times: 1, DropAnswer: true}))
	require.NoError(t, p.client.Webhooks().Delete(t.Context(), "agent.message"))
}

func TestAPostWhoseAnswerWasLostIsNotSentAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	require.NoError(t, p.sim.MisbehaveCalls(simulator.CallFault{
		Call: "POST /agents/{agentId}/wakeups", Times: 1, DropAnswer: true}))
	agent := p.client.Agent("agent_1")
	_, err := agent.ScheduleWakeup(t.Context(), sonzaiapi.WakeupRequest{
		UserID: "u", CheckType: "c", Intent: "i", DelayHours: 1})
	require.ErrorIs(t, err, sonzaiapi.ErrUnavailable)
	wakeups, err := agent.Wakeups(t.Context(), sonzaiapi.WakeupQuery{})
	require.NoError(t, err)
	require.Len(t, wakeups, 1)
}
