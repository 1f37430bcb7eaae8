package sonzaiapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

const chosenSecret = "whsec_chosen_by_the_customer"

func useChannels(t *testing.T, channels sonzaiapi.Channels, project, url string) {
	t.Helper()
	ctx := t.Context()
	w := sonzaiapi.WebhookChannel{
		Name: "mine", Target: sonzaiapi.Target{URL: url, AuthHeader: "Bearer mine"}, SigningSecret: chosenSecret,
		Events: []string{"agent.message", "on_wakeup_ready"}, Agents: []string{"agent_1"},
	}
	created, err := channels.Create(ctx, w)
	require.NoError(t, err)
	require.NotEmpty(t, created.ID)
	require.Equal(t, project, created.ProjectID)
	require.Equal(t, "webhook", created.Type)
	require.Equal(t, url, created.URL)
	require.Equal(t, w.Events, created.Events)
	require.True(t, created.Active)
	require.WithinDuration(t, time.Now(), created.CreatedAt.Time, time.Minute)

	list, err := channels.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []sonzaiapi.Channel{created}, list)
	got, err := channels.Get(ctx, created.ID)
	require.NoError(t, err)
	require.Equal(t, created, got)

	w.Name, w.Events, w.Agents, w.Paused = "paused", nil, nil, true
	updated, err := channels.Update(ctx, created.ID, w)
	require.NoError(t, err)
	require.Equal(t, "paused", updated.Name)
	require.Empty(t, updated.Events)
	require.False(t, updated.Active)

	_, err = channels.Get(ctx, "no/such")
	require.ErrorIs(t, err, sonzaiapi.ErrNotFound)
	require.NoError(t, channels.Delete(ctx, created.ID))
	require.ErrorIs(t, channels.Delete(ctx, created.ID), sonzaiapi.ErrNotFound)
}

func TestAChannelDeliversWhatItAsksForSignedWithTheChosenSecret(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var mu sync.Mutex
	var names []string
	receiver := newHandler(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = sonzaihook.Verify(body, r.Header.Get(sonzaihook.SignatureHeader), chosenSecret, time.Now(), time.Minute)
		}
		var event struct {
			Type string `json:"event_type"`
		}
		if err != nil || json.Unmarshal(body, &event) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		names = append(names, event.Type)
	})
	channel, err := p.client.Channels().Create(t.Context(), sonzaiapi.WebhookChannel{
		Name: "mine", Target: sonzaiapi.Target{URL: receiver.URL}, SigningSecret: chosenSecret,
		Events: []string{"agent.message", "on_wakeup_ready"},
	})
	require.NoError(t, err)
	for _, eventType := range []string{"agent.message", "agent.mood_change", "agent.wakeup"} {
		_, err := p.sim.Emit(t.Context(), simulator.Event{Type: eventType, AgentID: "agent_1"})
		require.NoError(t, err)
	}
	require.NoError(t, p.sim.Wait(t.Context()))
	require.ElementsMatch(t, []string{"agent.message", "on_wakeup_ready"}, names)
	require.Len(t, p.sim.ChannelAttempts("", channel.ID), 2)
	for _, a := range p.sim.ChannelAttempts("", channel.ID) {
		require.Equal(t, http.StatusOK, a.Code)
	}
}

func TestAChannelThatCannotWorkIsNotSent(t *testing.T) {
	t.Parallel()
	client := newClient(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, errors.New("no")
	})
	good := sonzaiapi.WebhookChannel{
		Name: "n", Target: sonzaiapi.Target{URL: "https://me.example"}, SigningSecret: chosenSecret,
	}
	for name, change := range map[string]func(*sonzaiapi.WebhookChannel){
		"no name":       func(w *sonzaiapi.WebhookChannel) { w.Name = "" },
		"no secret":     func(w *sonzaiapi.WebhookChannel) { w.SigningSecret = "" },
		"no URL":        func(w *sonzaiapi.WebhookChannel) { w.Target.URL = "" },
		"http":          func(w *sonzaiapi.WebhookChannel) { w.Target.URL = "http://me.example" },
		"an empty type": func(w *sonzaiapi.WebhookChannel) { w.Events = []string{"agent.message", ""} },
	} {
		w := good
		change(&w)
		_, err := client.Channels().Create(t.Context(), w)
		require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest, name)
		_, err = client.Project("p").Channels().Update(t.Context(), "c", w)
		require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest, name)
	}
	for _, id := range []string{"", ".", ".."} {
		_, err := client.Channels().Update(t.Context(), id, good)
		require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest, "%q", id)
		_, err = client.Channels().Get(t.Context(), id)
		require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest, "%q", id)
		require.ErrorIs(t, client.Channels().Delete(t.Context(), id), sonzaiapi.ErrInvalidRequest, "%q", id)
		_, err = client.Project(id).Channels().List(t.Context())
		require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest, "%q", id)
	}
}

func TestNoSecretOfAChannelIsPrinted(t *testing.T) {
	t.Parallel()
	w := sonzaiapi.WebhookChannel{
		Name: "n", Target: sonzaiapi.Target{URL: "https://me.example", AuthHeader: "Bearer mine"}, SigningSecret: chosenSecret,
	}
	repeats := newClient(t, always(422, "application/problem+json",
		`{"detail":"bad `+chosenSecret+` or Bearer mine","errors":[{"location":"body","message":"`+chosenSecret+`"}]}`))
	_, err := repeats.Channels().Create(t.Context(), w)
	require.ErrorIs(t, err, sonzaiapi.ErrInvalidRequest)
	unmasked := newClient(t, always(200, "application/json",
		`{"channels":[{"channel_id":"c","config":{"url":"https://me.example","signing_secret":"`+chosenSecret+`"}},{"channel_id":"d","config":null}]}`))
	list, listErr := unmasked.Channels().List(t.Context())
	require.NoError(t, listErr)
	require.Equal(t, "https://me.example", list[0].URL)
	for _, value := range []any{err, w, list} {
		printed := fmt.Sprintf("%v %+v %#v", value, value, value)
		require.NotContains(t, printed, chosenSecret)
		require.NotContains(t, printed, "Bearer mine")
	}
	encoded, err := json.Marshal(w)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), chosenSecret)
}

func TestAChannelWithoutAnIDIsRefused(t *testing.T) {
	t.Parallel()
	_, err := newClient(t, always(201, "application/json", `{"name":"n"}`)).Channels().Create(t.Context(), sonzaiapi.WebhookChannel{
		Name: "n", Target: sonzaiapi.Target{URL: "https://me.example"}, SigningSecret: chosenSecret,
	})
	require.ErrorIs(t, err, sonzaiapi.ErrRefused)
}

func TestChannelsSayWhoseTheyAre(t *testing.T) {
	t.Parallel()
	client := newClient(t, always(200, "application/json", `{}`))
	require.Empty(t, client.Channels().ProjectID())
	require.Equal(t, "p1", client.Project("p1").Channels().ProjectID())
}
