package simulator_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/simulator"
)

const notifications = "/projects/" + simulator.DefaultProject + "/notifications"

// values are one member of each entry of a list.
func values(answer map[string]any, list, member string) []any {
	found := []any{}
	for _, entry := range answer[list].([]any) {
		found = append(found, entry.(map[string]any)[member])
	}
	return found
}

func TestAProjectPollsAndAcknowledgesItsEvents(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200), simulator.WithProjects(simulator.DefaultProject, "other"))
	for i := range 4 {
		emit(t, sim, simulator.Event{Type: fmt.Sprintf("type.%d", i%2), ID: fmt.Sprintf("evt_%d", i), AgentID: fmt.Sprintf("agent_%d", i/2)})
	}
	emit(t, sim, simulator.Event{Type: "type.0", ID: "evt_9", ProjectID: "other"})
	poll := func(query string) []any {
		_, answer := call(t, sim, "GET", notifications+query, "")
		require.EqualValues(t, len(answer["notifications"].([]any)), answer["count"])
		return values(answer, "notifications", "notification_id")
	}
	acknowledge := func(path, body string) any {
		status, answer := call(t, sim, "POST", notifications+path, body)
		require.Equal(t, 200, status, answer)
		return answer["acknowledged"]
	}
	require.Equal(t, []any{"evt_0", "evt_1", "evt_2", "evt_3"}, poll(""), "the oldest first, none of another project")
	require.Equal(t, []any{"evt_0", "evt_1"}, poll("?limit=2"))
	require.Equal(t, []any{"evt_1", "evt_3"}, poll("?event_type=type.1"))
	require.Equal(t, []any{"evt_3"}, poll("?event_type=type.1&agent_id=agent_1"))

	require.EqualValues(t, 0, acknowledge("/acknowledge", `{"notification_ids":null}`))
	require.EqualValues(t, 1, acknowledge("/acknowledge", `{"notification_ids":["evt_1","evt_9"]}`))
	require.EqualValues(t, 0, acknowledge("/acknowledge", `{"notification_ids":["evt_1"]}`), "not a second time")
	require.EqualValues(t, 1, acknowledge("/acknowledge-all?event_type=type.0&agent_id=agent_0", ""))
	require.Equal(t, []any{"evt_2", "evt_3"}, poll(""))
	require.EqualValues(t, 2, acknowledge("/acknowledge-all", ""))
	require.Empty(t, poll(""))
}

func TestAnAgentsMessagesAreConsumed(t *testing.T) {
	t.Parallel()
	sim := start(t, answering(200))
	for i := range 3 {
		emit(t, sim, simulator.Event{
			Type: "agent.message", AgentID: "a", UserID: fmt.Sprintf("user_%d", i%2),
			Data: map[string]any{"message_id": fmt.Sprintf("msg_%d", i), "generated_message": "Hi"},
		})
	}
	emit(t, sim, simulator.Event{Type: "agent.message", AgentID: "a", Data: map[string]any{"message_id": "msg_8"}})
	emit(t, sim, simulator.Event{Type: mood, AgentID: "a", Data: map[string]any{"content": "not a message"}})
	list := func(query string) []any {
		_, answer := call(t, sim, "GET", "/agents/a/notifications"+query, "")
		return values(answer, "notifications", "message_id")
	}
	require.Equal(t, []any{"msg_0", "msg_1", "msg_2"}, list(""), "only what has a text for the user")
	require.Equal(t, []any{"msg_0", "msg_1"}, list("?limit=2"))
	require.Equal(t, []any{"msg_1"}, list("?user_id=user_1"))
	for range 2 {
		status, answer := call(t, sim, "POST", "/agents/a/notifications/msg_1/consume", "")
		require.Equal(t, 200, status, "consuming twice is no error")
		require.Equal(t, true, answer["success"])
	}
	require.Equal(t, []any{"msg_0", "msg_2"}, list(""))
	require.Equal(t, []any{"msg_1"}, list("?status=consumed"))
	require.Equal(t, []any{"msg_2", "msg_1"}, list("/history?limit=2"), "the newest first, of every status")
	_, nobody := call(t, sim, "GET", "/agents/b/notifications/history", "")
	require.Empty(t, nobody["notifications"])
}
