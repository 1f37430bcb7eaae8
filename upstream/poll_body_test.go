package upstream

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

func TestPayloadOfANotificationBecomesTheEventThatADeliveryHas(t *testing.T) {
	t.Parallel()
	const around = `,"agent_id":"a","created_at":"2026-03-01T12:00:00Z","event_id":"ntf","event_type":"agent.message","project_id":"p"}`
	for name, test := range map[string]struct{ payload, want string }{
		"the event's own fields":       {`{"content":"Hi"}`, `{"data":{"content":"Hi"}` + around},
		"fields with a type of a kind": {`{"type":"check","id":"m","content":"Hi"}`, `{"data":{"type":"check","id":"m","content":"Hi"}` + around},
		"JSON in a string":             {`"{\"content\":\"Hi\"}"`, `{"data":{"content":"Hi"}` + around},
		"a text":                       {`"Hi"`, `{"data":"Hi"` + around},
		"null":                         {`null`, `{"data":null` + around},
		"nothing":                      {``, `{"data":null` + around},
		"a whole event":                {`{"event_type":"agent.message", "event_id":"evt","data":{}}`, `{"event_type":"agent.message", "event_id":"evt","data":{}}`},
		"a whole event, another name":  {`{"event_type":"agent.message","id":"evt"}`, `{"event_type":"agent.message","id":"evt"}`},
		"a whole event in a string":    {`"{\"event_id\":\"evt\"}"`, `{"event_id":"evt"}`},
		"a whole event without an id": {`{"event_type":"on_message","agent_id":"b","data":{}}`,
			`{"agent_id":"b","created_at":"2026-03-01T12:00:00Z","data":{},"event_id":"ntf","event_type":"on_message","project_id":"p"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := sonzaiapi.ProjectNotification{
				ID: "ntf", ProjectID: "p", EventType: "agent.message", AgentID: "a", Payload: json.RawMessage(test.payload),
			}
			require.NoError(t, n.CreatedAt.UnmarshalText([]byte("2026-03-01T12:00:00Z")))
			d := projectDelivery("p", n)
			require.JSONEq(t, test.want, string(d.Body))
			require.Equal(t, sonzaihook.EventMessage, d.Type)
			require.Equal(t, sonzaihook.SourcePoll, d.Source)
		})
	}
}

func TestMessageInTheSpellingOfTheGuidesBecomesTheSameEvent(t *testing.T) {
	t.Parallel()
	for name, entry := range map[string]string{
		"as in the OpenAPI document": `{"message_id":"m","check_type":"birthday","generated_message":"Hi","agent_id":"a","created_at":"2026-03-01T12:00:00Z"}`,
		"as in the guides":           `{"id":"m","type":"birthday","content":"Hi"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n sonzaiapi.AgentNotification
			require.NoError(t, json.Unmarshal([]byte(entry), &n))
			hooks, err := sonzaihook.New(InitialSecrets(nil), sonzaihook.WithIdentity(sonzaihook.NaturalIdentity))
			require.NoError(t, err)
			var got sonzaihook.Message
			hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
				got = e.Data
				return nil
			})
			out := hooks.Dispatch(t.Context(), messageDelivery("", n))
			require.Equal(t, "agent.message:m", out.DeliveryID)
			require.Equal(t, []string{"m", "birthday", "Hi"}, []string{got.MessageID, got.CheckType, got.Content})
		})
	}
}
