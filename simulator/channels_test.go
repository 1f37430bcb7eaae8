package simulator_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/internal/traffic"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// openChannel makes a channel from further members of the body and of its config.
func openChannel(t *testing.T, sim *simulator.Simulator, members, config string) string {
	t.Helper()
	status, answer := call(t, sim, "POST", "/channels", fmt.Sprintf(
		`{"name":"n","type":"webhook","config":{"url":"https://channel.example/hook"%s}%s}`, config, members))
	require.Equal(t, 201, status, answer)
	return answer["channel_id"].(string)
}

const withSecret = `,"signing_secret":"whsec_chosen"`

func TestAChannelTakesTheEventsThatItNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		members string
		events  []simulator.Event
		want    []string
	}{
		"all": {`,"events":null`, []simulator.Event{{Type: mood}, {Type: "x"}}, []string{mood, "x"}},
		"one": {`,"events":["x"]`, []simulator.Event{{Type: mood}, {Type: "x"}}, []string{"x"}},
		"under the other name": {`,"events":["on_mood_updated"]`, []simulator.Event{{Type: mood}},
			[]string{"on_mood_updated"}},
		"of one agent":      {`,"filter":{"agents":["a"]}`, []simulator.Event{{Type: "x", AgentID: "a"}, {Type: "y", AgentID: "b"}}, []string{"x"}},
		"paused":            {`,"active":false`, []simulator.Event{{Type: mood}}, nil},
		"only to be polled": {``, []simulator.Event{{Type: mood, Route: simulator.RoutePoll}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := answering(200)
			sim := start(t, r, simulator.WithWorkers(1))
			id := openChannel(t, sim, test.members, withSecret)
			for _, e := range test.events {
				emit(t, sim, e)
			}
			wait(t, sim)
			var got []string
			for _, d := range r.deliveries() {
				got = append(got, typeOf(t, d.body))
				require.NoError(t, sonzaihook.Verify([]byte(d.body), d.header.Get(sonzaihook.SignatureHeader),
					"whsec_chosen", time.Now(), time.Minute))
			}
			require.Equal(t, test.want, got)
			require.Len(t, sim.ChannelAttempts("", id), len(test.want))
			require.Empty(t, sim.Attempts("", mood), "the log of a registration has none of it")
		})
	}
}

func TestAChannelAndARegistrationBothGetAnEvent(t *testing.T) {
	t.Parallel()
	r := answering(200)
	sim := start(t, r, simulator.WithBacklog(1))
	register(t, sim, mood)
	openChannel(t, sim, "", withSecret+`,"auth_header":"Bearer theirs"`)
	for range 3 {
		emit(t, sim, simulator.Event{Type: mood})
	}
	wait(t, sim)
	auth := map[string]int{}
	for _, d := range r.deliveries() {
		auth[d.header.Get("Authorization")]++
	}
	require.Equal(t, map[string]int{"Bearer mine": 3, "Bearer theirs": 3}, auth)
	require.Equal(t, simulator.Stats{Emitted: 3, Attempts: 6, Delivered: 6}, sim.Stats())
}

func TestAChannelWithoutASecretSendsNoSignature(t *testing.T) {
	t.Parallel()
	r := answering(200)
	sim := start(t, r)
	openChannel(t, sim, "", "")
	emit(t, sim, simulator.Event{Type: mood})
	wait(t, sim)
	require.Empty(t, r.deliveries()[0].header.Values(sonzaihook.SignatureHeader))
}

func TestAChannelIsUpdatedMaskedAndDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := answering(200)
		sim := start(t, r, simulator.WithRotationOverlap(time.Minute))
		id := openChannel(t, sim, "", withSecret)
		_, answer := call(t, sim, "GET", "/channels/"+id, "")
		require.Equal(t, map[string]any{"url": "https://channel.example/hook", "signing_secret": "********"}, answer["config"])

		verify := func(secret string) error {
			emit(t, sim, simulator.Event{Type: mood})
			wait(t, sim)
			d := r.deliveries()[len(r.deliveries())-1]
			return sonzaihook.Verify([]byte(d.body), d.header.Get(sonzaihook.SignatureHeader), secret, time.Now(), 0)
		}
		update := func(secret string) {
			status, answer := call(t, sim, "PUT", "/channels/"+id, fmt.Sprintf(
				`{"name":"n","type":"webhook","config":{"url":"https://channel.example","signing_secret":%q}}`, secret))
			require.Equal(t, 200, status, answer)
		}
		update("********")
		require.NoError(t, verify("whsec_chosen"), "the mask keeps the secret")
		update("whsec_next")
		require.NoError(t, verify("whsec_next"))
		require.NoError(t, verify("whsec_chosen"), "the old one still signs as well")
		time.Sleep(time.Minute)
		require.ErrorIs(t, verify("whsec_chosen"), sonzaihook.ErrSignatureMismatch)

		before := len(r.deliveries())
		status, _ := call(t, sim, "DELETE", "/channels/"+id, "")
		require.Equal(t, 204, status)
		emit(t, sim, simulator.Event{Type: mood})
		wait(t, sim)
		require.Len(t, r.deliveries(), before)
	})
}

func TestAWrongChannelGetsAProblem(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200), simulator.WithProjects("first", "second"))
	checked := traffic.KeepWrong(t, sim)
	id := openChannel(t, sim, "", withSecret)
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		location           string
	}{
		"no name":                 {"POST", "/channels", `{"type":"webhook","config":{"url":"https://a.example"}}`, 422, "body"},
		"a blank name":            {"POST", "/channels", `{"name":" ","type":"webhook","config":{"url":"https://a.example"}}`, 422, "body.name"},
		"an unknown type":         {"POST", "/channels", `{"name":"n","type":"pigeon"}`, 422, "body.type"},
		"no URL":                  {"POST", "/channels", `{"name":"n","type":"webhook"}`, 422, "body.config.url"},
		"a URL that is not https": {"POST", "/channels", `{"name":"n","type":"webhook","config":{"url":"http://a.example"}}`, 422, "body.config.url"},
		"a header of two lines": {"POST", "/channels",
			`{"name":"n","type":"webhook","config":{"url":"https://a.example","auth_header":"a\r\nb: c"}}`, 422, "body.config.auth_header"},
		"events that are none":       {"POST", "/channels", `{"name":"n","type":"email","events":"all"}`, 422, "body.events"},
		"unknown to get":             {"GET", "/channels/x", "", 404, ""},
		"unknown to update":          {"PUT", "/channels/x", `{"name":"n","type":"email"}`, 404, ""},
		"unknown to delete":          {"DELETE", "/channels/x", "", 404, ""},
		"a channel of another one's": {"GET", "/projects/second/channels/" + id, "", 404, ""},
	} {
		status, answer := call(t, checked, test.method, test.path, test.body)
		require.Equal(t, test.status, status, "%s: %v", name, answer)
		if test.location != "" {
			require.Equal(t, test.location, answer["errors"].([]any)[0].(map[string]any)["location"], name)
		}
	}
	status, answer := call(t, checked, "POST", "/projects/second/channels", `{"name":"n","type":"email","config":{"api_key":"k"}}`)
	require.Equal(t, 201, status)
	require.Equal(t, "second", answer["project_id"])
	require.Equal(t, map[string]any{"api_key": "********"}, answer["config"])
}
