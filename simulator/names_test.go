package simulator_test

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
)

func typeOf(t *testing.T, body string) string {
	t.Helper()
	var event struct {
		Type string `json:"event_type"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &event))
	return event.Type
}

func TestAnEventGoesToTheRegistrationOfAnyKnownName(t *testing.T) {
	t.Parallel()
	const other, wakeup, ready = "lead.enriched", "agent.wakeup", "on_wakeup_ready"
	for name, test := range map[string]struct {
		registered []string
		event      simulator.Event
		takes      string // the registration, none for no delivery
		body       string // the type in the body
	}{
		"the documented name":        {[]string{wakeup}, simulator.Event{Type: wakeup}, wakeup, wakeup},
		"the dispatcher's name":      {[]string{ready}, simulator.Event{Type: wakeup}, ready, ready},
		"the dispatcher's own event": {[]string{ready}, simulator.Event{Type: ready}, ready, ready},
		"the other way round":        {[]string{wakeup}, simulator.Event{Type: ready}, wakeup, wakeup},
		"both, the documented":       {[]string{ready, wakeup}, simulator.Event{Type: wakeup}, wakeup, wakeup},
		"both, the dispatcher's":     {[]string{wakeup, ready}, simulator.Event{Type: ready}, ready, ready},
		"a spelling of the event":    {[]string{ready}, simulator.Event{Type: wakeup, Name: "wakeup"}, ready, "wakeup"},
		"another type's name":        {[]string{mood}, simulator.Event{Type: wakeup}, "", ""},
		"moods":                      {[]string{"on_mood_updated"}, simulator.Event{Type: mood}, "on_mood_updated", "on_mood_updated"},
		"memories":                   {[]string{"memory.created"}, simulator.Event{Type: "agent.memory_added"}, "memory.created", "memory.created"},
		"breakthroughs": {[]string{"on_breakthrough_detected"}, simulator.Event{Type: "agent.breakthrough"},
			"on_breakthrough_detected", "on_breakthrough_detected"},
		"a type of one name":        {[]string{"agent.message"}, simulator.Event{Type: "agent.message"}, "agent.message", "agent.message"},
		"a type outside the table":  {[]string{other}, simulator.Event{Type: other}, other, other},
		"a name in another project": {nil, simulator.Event{Type: wakeup}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := answering(200)
			sim := start(t, r, simulator.WithProjects("first", "second"))
			status, _ := call(t, sim, "PUT", "/projects/second/webhooks/"+wakeup, `{"webhook_url":"https://other.example"}`)
			require.Equal(t, 200, status)
			secrets := map[string]string{}
			for _, name := range test.registered {
				secrets[name] = register(t, sim, name)
			}
			emit(t, sim, test.event)
			wait(t, sim)
			if test.takes == "" {
				require.Empty(t, r.deliveries())
				return
			}
			require.Len(t, r.deliveries(), 1, "one registration takes it")
			got := r.deliveries()[0]
			require.Equal(t, test.body, typeOf(t, got.body))
			require.NoError(t, sonzaihook.Verify([]byte(got.body), got.header.Get(sonzaihook.SignatureHeader),
				secrets[test.takes], time.Now(), time.Minute), "signed with the secret of the name that takes it")
			for _, name := range test.registered {
				if name == test.takes {
					require.Len(t, sim.Attempts("", name), 1)
				} else {
					require.Empty(t, sim.Attempts("", name), "the log is that of the name")
				}
			}
		})
	}
}

func TestADueWakeupFiresUnderWhicheverNameIsRegistered(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"agent.wakeup", "on_wakeup_ready"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := answering(200)
				sim := start(t, r)
				register(t, sim, name)
				status, _ := call(t, sim, "POST", "/agents/a/wakeups",
					`{"user_id":"u","check_type":"c","intent":"i","delay_hours":1}`)
				require.Equal(t, 200, status)
				time.Sleep(time.Hour + time.Second)
				wait(t, sim)
				require.Len(t, r.deliveries(), 1)
				require.Equal(t, name, typeOf(t, r.deliveries()[0].body))
				_, polled := call(t, sim, "GET", notifications+"?event_type="+name, "")
				require.EqualValues(t, 1, polled["count"], "it is polled under the same name")
				_, messages := call(t, sim, "GET", "/agents/a/notifications", "")
				require.Len(t, messages["notifications"], 1)
			})
		})
	}
}

func TestNamesAreSeparateRegistrations(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200))
	first, second := register(t, sim, "agent.wakeup"), register(t, sim, "on_wakeup_ready")
	require.NotEmpty(t, second)
	require.NotEqual(t, first, second)
	require.NotEqual(t, second, rotate(t, sim, "on_wakeup_ready"))
	status, _ := call(t, sim, "DELETE", "/webhooks/agent.wakeup", "")
	require.Equal(t, 204, status)
	_, answer := call(t, sim, "GET", "/webhooks", "")
	require.Equal(t, []any{"on_wakeup_ready"}, values(answer, "webhooks", "event_type"))
}

func TestAFaultMeetsTheEventByEitherName(t *testing.T) {
	t.Parallel()
	for name, meets := range map[string]bool{"agent.wakeup": true, "on_wakeup_ready": true, "": true, mood: false} {
		sim := start(t, answering(200), simulator.WithAttempts(1, 1, 1))
		register(t, sim, "on_wakeup_ready")
		require.NoError(t, sim.MisbehaveDeliveries(simulator.DeliveryFault{EventType: name, Drop: true}))
		emit(t, sim, simulator.Event{Type: "agent.wakeup"})
		wait(t, sim)
		require.Equal(t, meets, sim.Stats().Failed == 1, name)
	}
}

func TestAnEventIsSentFourTimesAtMostByDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := answering(503)
		sim := start(t, r)
		register(t, sim, mood)
		emit(t, sim, simulator.Event{Type: mood})
		wait(t, sim)
		require.Len(t, r.deliveries(), 4)
		require.EqualValues(t, 1, sim.Stats().Failed)
	})
}
