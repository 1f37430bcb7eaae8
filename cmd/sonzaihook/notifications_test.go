package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/simulator"
)

func saying(id, text string) simulator.Event {
	return simulator.Event{
		Type: "agent.message", ID: "evt_" + id, AgentID: "agent_1", UserID: "user_1", ProjectID: testProject,
		Data: map[string]string{"message_id": id, "content": text},
	}
}

func TestMessagesAreListedConsumedAndRemembered(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	require.Equal(t, "no messages\n", l.fine(t, "notifications", "list", "--agent", "agent_1"))
	l.happens(t, saying("msg_1", "Good\nmorning"))
	l.happens(t, saying("msg_2", "Good night"))

	require.Equal(t, []string{
		"MESSAGE USER STATUS WHEN TEXT",
		"msg_1 user_1 pending now “Good morning”",
		"msg_2 user_1 pending now “Good night”",
	}, tableLines(l.fine(t, "notifications", "list", "--agent", "agent_1")))
	require.Equal(t, "no messages\n", l.fine(t, "notifications", "list", "--agent", "agent_1", "--user", "user_2"))
	require.Equal(t, "Good\nmorning", objects(t, l.fine(t, "notifications", "list", "--agent", "agent_1", "--json", "--limit", "1"))[0]["generated_message"])

	require.Equal(t, "✓ 1 notification consumed\n", l.fine(t, "notifications", "consume", "--agent", "agent_1", "msg_1"))
	require.Len(t, tableLines(l.fine(t, "notifications", "list", "--agent", "agent_1")), 2)
	require.Equal(t, []string{
		"MESSAGE USER STATUS WHEN TEXT",
		"msg_2 user_1 pending now “Good night”",
		"msg_1 user_1 consumed now “Good morning”",
	}, tableLines(l.fine(t, "notifications", "history", "--agent", "agent_1")))
}

func TestEventsOfAProjectAreListedAndAcknowledged(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	require.Equal(t, "nothing waits\n", l.fine(t, "notifications", "list", "--project", testProject))
	l.happens(t, saying("1", "hello"))
	l.happens(t, saying("2", "hello again"))
	l.happens(t, simulator.Event{
		Type: "agent.mood_change", ID: "evt_mood", AgentID: "agent_2", ProjectID: testProject,
		Data: map[string]any{"label": "calm", "valence": 60, "delta_valence": -2},
	})

	require.Equal(t, []string{
		"NOTIFICATION TYPE AGENT WHEN WHAT",
		"evt_1 agent.message agent_1 now “hello”",
		"evt_2 agent.message agent_1 now “hello again”",
		"evt_mood agent.mood_change agent_2 now calm, valence 60 (-2)",
	}, tableLines(l.fine(t, "notifications", "list", "--project", testProject)))
	require.Len(t, tableLines(l.fine(t, "notifications", "list", "--project", testProject, "--type", "mood_change")), 2)
	require.Len(t, tableLines(l.fine(t, "notifications", "list", "--project", testProject, "--agent", "agent_1")), 3)

	require.Equal(t, "✓ 1 notification consumed\n", l.fine(t, "notifications", "consume", "--project", testProject, "evt_1"))
	got := l.do(t, "notifications", "consume", "--project", testProject, "evt_2", "evt_1")
	require.Equal(t, console.ExitNo, got.code)
	require.Equal(t, "✓ 1 notification consumed\n", got.out)
	require.Contains(t, got.errOut, "1 of 2 are not among what waits")
	require.JSONEq(t, `{"consumed":1}`, l.fine(t, "notifications", "consume", "--project", testProject, "--all", "--json"))
	require.Equal(t, "✓ 0 notifications consumed\n", l.fine(t, "notifications", "consume", "--project", testProject, "--all"))
}

func TestPollPrintsWhatWaitsAndConsumesIt(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	l.happens(t, saying("msg_1", "hello"))
	l.happens(t, saying("msg_2", "hello again"))

	got := l.do(t, "notifications", "poll", "--agent", "agent_1", "--once")
	require.Equal(t, console.ExitYes, got.code, got.errOut)
	require.Equal(t, "2 events fetched\n", got.errOut)
	rows := tableLines(got.out)
	require.Len(t, rows, 2)
	require.Regexp(t, `^\d\d:\d\d:\d\d poll agent\.message agent_1 “hello again”$`, rows[1])
	require.Equal(t, "no messages\n", l.fine(t, "notifications", "list", "--agent", "agent_1"))

	events := objects(t, l.fine(t, "notifications", "poll", "--project", testProject, "--once", "--json"))
	require.Len(t, events, 2, "those of the project wait for themselves")
	require.Equal(t, "poll", events[0]["source"])
	require.Equal(t, "hello", events[0]["event"].(map[string]any)["data"].(map[string]any)["content"])
	require.Empty(t, l.fine(t, "notifications", "poll", "--project", testProject, "--once", "--json"))
}

func TestWakeupsAreScheduledAndListed(t *testing.T) {
	t.Parallel()
	l := newLand(t)
	require.Equal(t, "no wakeups\n", l.fine(t, "wakeups", "list", "--agent", "agent_1"))
	out := l.fine(t, "wakeups", "schedule", "--agent", "agent_1", "--user", "user_1", "--intent", "ask about the recital",
		"--check-type", "follow_up", "--at", "2100-01-01T09:30:00Z")
	require.Regexp(t, `^✓ wk_\w+  agent_1 turns to user_1 at 2100-01-01 09:30:00Z\n$`, out)
	require.Regexp(t, `^wk_\w+ user_1 pending 2100-01-01 09:30:00Z follow_up ask about the recital$`, tableLines(l.fine(t, "wakeups", "list", "--agent", "agent_1"))[1])

	object := objects(t, l.fine(t, "wakeups", "schedule", "--json", "--agent", "agent_1", "--user", "user_2", "--intent", "say hi",
		"--at", "2h", "--occasion", "a birthday", "--topic", "cakes", "--event", "the party"))[0]
	list := objects(t, l.fine(t, "wakeups", "list", "--agent", "agent_1", "--json", "--limit", "1"))
	require.Equal(t, object["wakeup_id"], list[0]["wakeup_id"])
	require.Equal(t, "check_in", list[0]["check_type"])
	require.Equal(t, "a birthday", list[0]["occasion"])
	require.Equal(t, "cakes", list[0]["interest_topic"])
	require.Equal(t, "the party", list[0]["event_description"])
	require.Equal(t, "no wakeups\n", l.fine(t, "wakeups", "list", "--agent", "agent_1", "--status", "executed"))
}
