package upstream_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// logs is a platform whose delivery logs are made up, by the name of the
// registration.
func logs(t *testing.T, byName map[string][]map[string]any) *sonzaiapi.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		segments := strings.Split(r.URL.Path, "/")
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"attempts": byName[segments[len(segments)-2]], "has_more": false})
	}))
	t.Cleanup(server.Close)
	client, err := sonzaiapi.New("sk_test", sonzaiapi.WithBaseURL(server.URL), sonzaiapi.WithLogger(silent))
	require.NoError(t, err)
	return client
}

func attempt(second, code int, body string) map[string]any {
	return map[string]any{
		"attempt_number": 1, "response_code": code, "request_body": []byte(body),
		"created_at": time.Unix(int64(1_700_000_000+second), 0).UTC(),
	}
}

func TestWhatWasDeliveredOnceHidesOnlyItsCopies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		typ               sonzaihook.EventType
		delivered, missed string
		copies            bool
	}{
		// Copies.
		"the same bytes":                     {mood, `{"event_id":"e","valence":1}`, `{"event_id":"e","valence":1}`, true},
		"an attempt count":                   {mood, `{"event_id":"e","attempt":1}`, `{"event_id":"e","attempt":2}`, true},
		"another order":                      {mood, `{"event_id":"e","valence":1}`, `{"valence":1,"event_id":"e"}`, true},
		"another name of the type":           {mood, `{"event_id":"e","event_type":"agent.mood_change"}`, `{"event_id":"e","event_type":"on_mood_updated"}`, true},
		"an id of the thing, the same bytes": {mood, `{"id":"m","valence":1}`, `{"id":"m","valence":1}`, true},
		// Distinct events.
		"another event id":            {mood, `{"event_id":"e"}`, `{"event_id":"f"}`, false},
		"another case of the id":      {mood, `{"event_id":"e"}`, `{"event_id":"E"}`, false},
		"a member in another case":    {mood, `{"event_id":"e"}`, `{"event_id":"f","EVENT_ID":"e"}`, false},
		"another agent":               {mood, `{"event_id":"e","agent_id":"a"}`, `{"event_id":"e","agent_id":"b"}`, false},
		"another project":             {mood, `{"event_id":"e","project_id":"p"}`, `{"event_id":"e","project_id":"q"}`, false},
		"an id of the thing":          {mood, `{"id":"m","valence":1}`, `{"id":"m","valence":2}`, false},
		"a placeholder, 0":            {mood, `{"event_id":"0","valence":1}`, `{"event_id":"0","valence":2}`, false},
		"a placeholder, blank":        {mood, `{"event_id":" ","valence":1}`, `{"event_id":" ","valence":2}`, false},
		"a placeholder, null":         {mood, `{"event_id":"null","valence":1}`, `{"event_id":"null","valence":2}`, false},
		"a placeholder, the nil UUID": {mood, `{"event_id":"00000000-0000-0000-0000-000000000000","valence":1}`, `{"event_id":"00000000-0000-0000-0000-000000000000","valence":2}`, false},
		"a placeholder as id":         {mood, `{"id":"unknown","valence":1}`, `{"id":"unknown","valence":2}`, false},
		"a recurring wakeup": {wakeup, `{"wakeup":{"wakeup_id":"w","scheduled_at":"2026-01-01T00:00:00Z"}}`,
			`{"wakeup":{"wakeup_id":"w","scheduled_at":"2026-01-02T00:00:00Z"}}`, false},
		"a message's key and an event id": {message, `{"event_id":"agent.message:m1"}`, `{"data":{"message_id":"m1","content":"Hi"}}`, false},
		"no id at all":                    {mood, `{"valence":1}`, `{"valence":2}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for order, log := range map[string][]map[string]any{
				"delivered first": {attempt(1, 200, test.delivered), attempt(2, 500, test.missed)},
				"missed first":    {attempt(1, 500, test.missed), attempt(2, 200, test.delivered)},
			} {
				client := logs(t, map[string][]map[string]any{string(test.typ): log})
				var bodies []string
				for m, err := range upstream.Missed(t.Context(), client.Webhooks(), []sonzaihook.EventType{test.typ}, time.Time{}) {
					require.NoError(t, err)
					bodies = append(bodies, string(m.Body))
				}
				if test.copies {
					require.Empty(t, bodies, order)
				} else {
					require.Equal(t, []string{test.missed}, bodies, order)
				}
			}
		})
	}
}

func TestTheLogsOfAllNamesOfATypeAreReadAsOne(t *testing.T) {
	t.Parallel()
	const a, b = `{"event_id":"a"}`, `{"event_id":"b"}`
	client := logs(t, map[string][]map[string]any{
		string(wakeup): {attempt(1, 200, a), attempt(2, 500, b)},
		string(ready):  {attempt(1, 401, a), attempt(3, 401, b)},
		string(mood):   {attempt(1, 200, b)},
	})
	names := []sonzaihook.EventType{wakeup, ready, mood}
	var all []upstream.MissedDelivery
	for m, err := range upstream.Missed(t.Context(), client.Project("p1").Webhooks(), names, time.Time{}) {
		require.NoError(t, err)
		all = append(all, m)
	}
	require.Len(t, all, 1, "a was delivered under another name; b only as an event of another type")
	require.Equal(t, "b", all[0].EventID)
	require.Equal(t, wakeup, all[0].Type)
	require.Equal(t, ready, all[0].Name, "the last attempt was under this name")
	require.Equal(t, "p1", all[0].Project)
	require.Equal(t, 2, all[0].Attempts)
	d := all[0].Delivery()
	require.Equal(t, "p1", d.Project)
	require.Equal(t, wakeup, d.Type)
	require.Equal(t, string(ready), d.Name)
	require.Equal(t, sonzaihook.SourceReplay, d.Source)
}
