package simulator_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/internal/traffic"
	"github.com/sonzaihook/sonzaihook/simulator"
)

func TestAWrongRequestGetsAProblemThatNamesIt(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200))
	register(t, sim, mood)
	checked := traffic.KeepWrong(t, sim)
	const project = "/projects/" + simulator.DefaultProject
	wakeup := `{"user_id":"u","check_type":"c","intent":"i","delay_hours":%s}`
	tests := []struct {
		name, method, path, body string
		status                   int
		location                 string
	}{
		{"unknown project", "GET", "/projects/no-such/webhooks", "", 404, ""},
		{"unknown webhook to delete", "DELETE", "/webhooks/x", "", 404, ""},
		{"unknown webhook to rotate", "POST", "/webhooks/x/rotate-secret", "", 404, ""},
		{"unknown message", "POST", "/agents/a/notifications/m/consume", "", 404, ""},
		{"no URL", "PUT", "/webhooks/x", `{}`, 422, "body"},
		{"a URL of the wrong type", "PUT", "/webhooks/x", `{"webhook_url":1}`, 422, "body.webhook_url"},
		{"a URL of null", "PUT", "/webhooks/x", `{"webhook_url":null}`, 422, "body.webhook_url"},
		{"a URL without a host", "PUT", "/webhooks/x", `{"webhook_url":"https:///x"}`, 422, "body.webhook_url"},
		{"a URL that is not https", "PUT", "/webhooks/x", `{"webhook_url":"http://me.example"}`, 422, "body.webhook_url"},
		{"a header of two lines", "PUT", "/webhooks/x",
			`{"webhook_url":"https://me.example","auth_header":"a\r\nb: c"}`, 422, "body.auth_header"},
		{"a member too many", "PUT", "/webhooks/x", `{"webhook_url":"https://me.example","url":"x"}`, 422, "body.url"},
		{"no object", "PUT", "/webhooks/x", `[]`, 400, ""},
		{"null", "PUT", "/webhooks/x", `null`, 400, ""},
		{"no JSON", "PUT", "/webhooks/x", `{`, 400, ""},
		{"too long", "PUT", "/webhooks/x", `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, 413, ""},
		{"a page too large", "GET", "/webhooks/x/attempts?page_size=501", "", 422, "query.page_size"},
		{"a page too small", "GET", "/webhooks/x/attempts?page_size=0", "", 422, "query.page_size"},
		{"a cursor that is invented", "GET", "/webhooks/x/attempts?cursor=abc", "", 400, ""},
		{"a cursor that is base64", "GET", "/webhooks/x/attempts?cursor=" + base64.URLEncoding.EncodeToString([]byte("-1")), "", 400, ""},
		{"a project list too long", "GET", project + "/notifications?limit=201", "", 422, "query.limit"},
		{"an agent list too long", "GET", "/agents/a/notifications?limit=501", "", 422, "query.limit"},
		{"a history too long", "GET", "/agents/a/notifications/history?limit=x", "", 422, "query.limit"},
		{"a wakeup list too long", "GET", "/agents/a/wakeups?limit=501", "", 422, "query.limit"},
		{"ids of the wrong type", "POST", project + "/notifications/acknowledge", `{"notification_ids":[1]}`, 422, "body.notification_ids"},
		{"a wakeup without a user", "POST", "/agents/a/wakeups", `{"check_type":"c","intent":"i","delay_hours":1}`, 422, "body"},
		{"a part of an hour", "POST", "/agents/a/wakeups", fmt.Sprintf(wakeup, "1.5"), 422, "body.delay_hours"},
		{"an hour in the past", "POST", "/agents/a/wakeups", fmt.Sprintf(wakeup, "-1"), 422, "body.delay_hours"},
		{"a time in words", "POST", "/agents/a/wakeups", fmt.Sprintf(wakeup, `1,"scheduled_at":"soon"`), 422, "body.scheduled_at"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, answer := call(t, checked, test.method, test.path, test.body)
			require.Equal(t, test.status, status, answer)
			require.EqualValues(t, test.status, answer["status"])
			require.NotEmpty(t, answer["detail"])
			if test.location != "" {
				faults := answer["errors"].([]any)
				require.Equal(t, test.location, faults[0].(map[string]any)["location"])
			}
		})
	}
	status, answer := call(t, checked, "POST", "/agents/a/wakeups", `{"userId":"u","context":1}`)
	require.Equal(t, 422, status)
	require.Len(t, answer["errors"], 6, "all faults at once")
}

func TestWhatIsNoCallGetsAProblem(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200))
	send := func(method, path, key, contentType string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(method, path, strings.NewReader(`{"webhook_url":"https://me.example"}`))
		request.Header.Set("Authorization", key)
		request.Header.Set("Content-Type", contentType)
		recorder := httptest.NewRecorder()
		sim.ServeHTTP(recorder, request)
		require.Equal(t, "application/problem+json", recorder.Header().Get("Content-Type"), path)
		return recorder
	}
	const key, kind = "Bearer " + simulator.DefaultAPIKey, "application/json"
	require.Equal(t, 401, send("GET", "/api/v1/webhooks", "", kind).Code)
	require.Equal(t, 401, send("GET", "/api/v1/webhooks", "Bearer sk_other", kind).Code)
	require.Equal(t, 401, send("GET", "/api/v1/webhooks", simulator.DefaultAPIKey, kind).Code)
	require.Equal(t, 401, send("GET", "/api/v1/projects/no-such/webhooks", "", kind).Code, "who calls is checked first")
	require.Equal(t, 415, send("PUT", "/api/v1/webhooks/x", key, "text/plain").Code)
	require.Equal(t, 404, send("GET", "/api/v1/nothing", key, kind).Code)
	require.Contains(t, send("GET", "/webhooks", key, kind).Body.String(), "below /api/v1")
	require.Equal(t, 404, send("GET", "/api/v1//webhooks", key, kind).Code)
	require.Equal(t, 404, send("GET", "/api/v1/webhooks/../webhooks", key, kind).Code)
	wrong := send("POST", "/api/v1/webhooks/x", key, kind)
	require.Equal(t, 405, wrong.Code)
	require.Equal(t, "PUT, DELETE", wrong.Header().Get("Allow"))
}

func TestCallsWithoutAProjectSpeakOfTheFirst(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200), simulator.WithProjects("first", "second"))
	register(t, sim, mood)
	_, first := call(t, sim, "GET", "/projects/first/webhooks", "")
	require.Len(t, first["webhooks"], 1)
	_, second := call(t, sim, "GET", "/projects/second/webhooks", "")
	require.Empty(t, second["webhooks"])
	status, _ := call(t, sim, "DELETE", "/projects/first/webhooks/"+mood, "")
	require.Equal(t, http.StatusNoContent, status)
	_, none := call(t, sim, "GET", "/webhooks", "")
	require.Empty(t, none["webhooks"])
}

func TestAnUpdateKeepsTheSecretAndMovesTheDeliveries(t *testing.T) {
	t.Parallel()
	r := answering(200)
	sim := start(t, r)
	require.NotEmpty(t, register(t, sim, mood))
	status, answer := call(t, sim, "PUT", "/webhooks/"+mood, `{"webhook_url":"https://moved.example/"}`)
	require.Equal(t, 200, status)
	require.NotContains(t, answer, "signing_secret")
	emit(t, sim, simulator.Event{Type: mood})
	wait(t, sim)
	require.Equal(t, "https://moved.example/", r.deliveries()[0].url)
	require.Empty(t, r.deliveries()[0].header.Get("Authorization"))
}

func TestTheDeliveryLogIsReadNewestFirstInStablePages(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200, 401, 0, 200), simulator.WithWorkers(1), simulator.WithAttempts(1, 1, 1))
	register(t, sim, mood)
	for i := range 4 {
		emit(t, sim, simulator.Event{Type: mood, ID: fmt.Sprintf("evt_%d", i)})
	}
	wait(t, sim)
	read := func(query string) ([]string, string) {
		_, answer := call(t, sim, "GET", "/webhooks/"+mood+"/attempts"+query, "")
		var events []string
		for _, entry := range answer["attempts"].([]any) {
			attempt := entry.(map[string]any)
			body, err := base64.StdEncoding.DecodeString(attempt["request_body"].(string))
			require.NoError(t, err)
			at := strings.Index(string(body), "evt_")
			events = append(events, fmt.Sprintf("%s %v %v", body[at:at+5], attempt["response_code"], attempt["status"]))
		}
		cursor, _ := answer["next_cursor"].(string)
		require.Equal(t, cursor != "", answer["has_more"])
		return events, cursor
	}
	page, cursor := read("?page_size=2")
	require.Equal(t, []string{"evt_3 200 success", "evt_2 0 failed"}, page)
	emit(t, sim, simulator.Event{Type: mood, ID: "evt_9"})
	wait(t, sim)
	page, cursor = read("?page_size=2&cursor=" + cursor)
	require.Equal(t, []string{"evt_1 401 failed", "evt_0 200 success"}, page, "what came later moves no page")
	require.Empty(t, cursor)
	_, unknown := call(t, sim, "GET", "/webhooks/never.seen/attempts", "")
	require.Empty(t, unknown["attempts"])
}

func TestTheOldestGoFirst(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200), simulator.WithHistory(20), simulator.WithWorkers(1))
	register(t, sim, mood)
	var last string
	for range 200 {
		last = emit(t, sim, simulator.Event{Type: mood})
	}
	wait(t, sim)
	attempts := sim.Attempts("", mood)
	require.GreaterOrEqual(t, len(attempts), 20)
	require.LessOrEqual(t, len(attempts), 22)
	require.Contains(t, string(attempts[len(attempts)-1].RequestBody), last)
	_, answer := call(t, sim, "GET", "/projects/"+simulator.DefaultProject+"/notifications?limit=200", "")
	require.LessOrEqual(t, len(answer["notifications"].([]any)), 22)
	require.Empty(t, sim.Attempts("no-such", mood))
	require.Empty(t, sim.Attempts("", "no.such"))
}

func TestAWakeupFiresWhenItIsDue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body  string
		speed float64
		due   time.Duration
	}{
		"after hours":           {`"delay_hours":2`, 1, 2 * time.Hour},
		"at a time, which wins": {`"delay_hours":2,"scheduled_at":"2000-01-01T05:00:00Z"`, 1, 5 * time.Hour},
		"faster":                {`"delay_hours":2`, 3600, 2 * time.Second},
		"when it is late":       {`"delay_hours":2,"scheduled_at":"1999-01-01T05:00:00Z"`, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := answering(200)
				sim := start(t, r, simulator.WithSpeed(test.speed))
				register(t, sim, simulator.EventWakeup)
				began := time.Now() // midnight of 2000-01-01 UTC in the bubble
				status, answer := call(t, sim, "POST", "/agents/agent_1/wakeups",
					`{"user_id":"user_1","check_type":"birthday","intent":"wish well","interest_topic":"cake",`+test.body+`}`)
				require.Equal(t, 200, status, answer)
				id := answer["wakeup_id"].(string)
				if test.due > 0 {
					synctest.Wait()
					_, pending := call(t, sim, "GET", "/agents/agent_1/wakeups?status=pending", "")
					require.Len(t, pending["wakeups"], 1)
					require.Empty(t, r.deliveries())
				}
				time.Sleep(test.due)
				synctest.Wait()
				wait(t, sim)
				require.Len(t, r.deliveries(), 1)
				require.Equal(t, test.due, r.deliveries()[0].at.Sub(began))
				body := r.deliveries()[0].body
				require.Contains(t, body, `"event_type":"agent.wakeup"`)
				require.Contains(t, body, `"user_id":"user_1"`)
				require.Contains(t, body, `"wakeup_id":"`+id+`"`)
				require.Contains(t, body, `"status":"executed"`)
				_, pending := call(t, sim, "GET", "/agents/agent_1/wakeups?status=pending", "")
				require.Empty(t, pending["wakeups"])
				_, messages := call(t, sim, "GET", "/agents/agent_1/notifications", "")
				require.Len(t, messages["notifications"], 1)
				message := messages["notifications"].([]any)[0].(map[string]any)
				require.Equal(t, id, message["wakeup_id"])
				require.Equal(t, "birthday", message["check_type"])
			})
		})
	}
}

func TestAnEventCanBeEmittedOverHTTP(t *testing.T) {
	t.Parallel()
	r := answering(200)
	sim := start(t, r)
	register(t, sim, mood)
	send := func(key, body string) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, simulator.EmitPath, strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		sim.ServeHTTP(recorder, request)
		return recorder
	}
	answer := send(simulator.DefaultAPIKey, `{"type":"agent.mood_change","id":"evt_1","agent_id":"a","data":{"label":"calm"},"layout":"flat"}`)
	require.Equal(t, 200, answer.Code)
	require.JSONEq(t, `{"event_id":"evt_1"}`, answer.Body.String())
	wait(t, sim)
	require.Contains(t, r.deliveries()[0].body, `"label":"calm"`)
	require.Equal(t, 401, send("sk_other", `{"type":"x"}`).Code)
	require.Equal(t, 422, send(simulator.DefaultAPIKey, `{"type":"x","data":[]}`).Code)
	require.Equal(t, 422, send(simulator.DefaultAPIKey, `{"type":"x","layout":"round"}`).Code)
	require.Equal(t, 422, send(simulator.DefaultAPIKey, `{}`).Code)
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]simulator.Option{
		"no key": simulator.WithAPIKey(" "), "no project": simulator.WithProjects(), "a blank project": simulator.WithProjects(""),
		"no clock": simulator.WithClock(nil), "no speed": simulator.WithSpeed(0), "no attempt": simulator.WithAttempts(0, 1, 1),
		"no wait": simulator.WithAttempts(1, 0, 1), "longest below first": simulator.WithAttempts(1, 2, 1),
		"no timeout": simulator.WithDeliveryTimeout(0), "negative overlap": simulator.WithRotationOverlap(-1),
		"unknown layout": simulator.WithLayout("round"), "no workers": simulator.WithWorkers(0),
		"no backlog": simulator.WithBacklog(0), "no history": simulator.WithHistory(0),
	} {
		_, err := simulator.New(option)
		require.ErrorIs(t, err, simulator.ErrInvalidOption, name)
	}
}

func TestHTTPIsTakenForLoopbackOrWhenToldSo(t *testing.T) {
	t.Parallel()
	put := func(sim *simulator.Simulator, url string) int {
		status, _ := call(t, sim, "PUT", "/webhooks/x", fmt.Sprintf(`{"webhook_url":%q}`, url))
		return status
	}
	strict, lax := start(t, answering(200)), start(t, answering(200), simulator.WithInsecureURLs())
	for url, status := range map[string]int{
		"http://localhost:1/": 200, "http://127.0.0.1/": 200, "http://[::1]:9/": 200, "https://me.example": 200,
		"http://me.example": 422, "ftp://localhost": 422, "http://127.0.0.1.example": 422, "me.example": 422,
	} {
		require.Equal(t, status, put(strict, url), url)
	}
	require.Equal(t, 200, put(lax, "http://receiver:8080/"))
	require.Equal(t, 422, put(lax, "ftp://receiver:8080/"))
}

func TestCallsAreListedOnce(t *testing.T) {
	t.Parallel()
	calls := simulator.Calls()
	require.NotEmpty(t, calls)
	slices.Sort(calls)
	require.Equal(t, slices.Compact(slices.Clone(calls)), calls)
}
