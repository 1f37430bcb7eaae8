package sonzaihook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

// receive delivers a body to a callback for T and returns the event that it got.
func receive[T any](t *testing.T, typ sonzaihook.EventType, body []byte) *sonzaihook.Event[T] {
	t.Helper()
	h := recorder.New(t, nil)
	var got *sonzaihook.Event[T]
	sonzaihook.On(h.Receiver, typ, func(_ context.Context, e *sonzaihook.Event[T]) error {
		got = e
		return nil
	})
	answer := hooktest.Deliver(t, h, body)
	require.Equal(t, http.StatusOK, answer.Code, h.Log.String())
	require.NotNil(t, got, "no callback ran")
	require.JSONEq(t, string(body), string(got.Raw))
	require.Equal(t, sonzaihook.SourceWebhook, got.Source)
	return got
}

var created = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

func checkLayouts[T any](t *testing.T, typ sonzaihook.EventType, want T) {
	t.Run(string(typ), func(t *testing.T) {
		t.Parallel()
		for layout, fixture := range map[string]func(testing.TB, sonzaihook.EventType) []byte{
			"under data": fixed, "flat": fixedFlat,
		} {
			e := receive[T](t, typ, fixture(t, typ))
			require.Equal(t, want, e.Data, layout)
			require.Equal(t, typ, e.Type)
			require.Equal(t, string(typ), e.Name)
			require.Equal(t, "agent_luna", e.AgentID)
			require.Equal(t, "user_42", e.UserID)
			require.Equal(t, "proj_demo", e.ProjectID)
			require.Equal(t, created, e.CreatedAt)
			require.Contains(t, e.ID, "evt_01J")
		}
	})
}

func TestBothLayoutsOfEachTypeDecodeToTheSameStruct(t *testing.T) {
	t.Parallel()
	checkLayouts(t, sonzaihook.EventMessage, sonzaihook.Message{
		MessageID: "msg_7f3a", Content: "I kept thinking about your sister's recital. How did it go?",
		GeneratedMessage: "I kept thinking about your sister's recital. How did it go?",
		CheckType:        "event_followup", Intent: "ask how the recital went", WakeupID: "wk_2c19", Status: "pending", CreatedAt: created,
	})
	checkLayouts(t, sonzaihook.EventMoodChange, sonzaihook.MoodChange{
		Valence: 72.5, Arousal: 41, Tension: 63, Affiliation: 80.25, Label: "content",
		DeltaValence: 6.5, DeltaArousal: -3, DeltaTension: 4, DeltaAffiliation: 1.25,
		TriggerType: "conversation", TriggerReason: "the user shared good news", Timestamp: created,
	})
	checkLayouts(t, sonzaihook.EventMemoryAdded, sonzaihook.MemoryAdded{
		FactID: "fact_91bd", AtomicText: "The user's sister plays the cello.", Content: "The user's sister plays the cello.",
		FactType: "relationship", Importance: 0.8, Confidence: 0.95, Sentiment: "positive",
		Entities: []string{"sister", "cello"}, TopicTags: []string{"family", "music"},
		SessionID: "sess_5510", NodeID: "node_12", CreatedAt: created,
	})
	checkLayouts(t, sonzaihook.EventBreakthrough, sonzaihook.Breakthrough{
		BreakthroughID: "bt_0004", BreakthroughNumber: 4, LevelAtBreakthrough: 12,
		Narrative: "Luna learned that silence can be kind.", TraitEvolved: "patience",
		PersonalityShifts: []string{"less eager to fill pauses"}, NewGoals: []string{"ask one question at a time"},
		AchievedGoals: []string{"listen to a whole story"}, SkillPointsAwarded: 3, CreatedAt: created,
	})
	checkLayouts(t, sonzaihook.EventConsolidation, sonzaihook.Consolidation{
		Period: "daily", DaysProcessed: 1, ConsolidationProcessed: 14, DiaryEntriesCreated: 1,
		DiaryEntries: []sonzaihook.DiaryEntry{{Date: "2026-02-28", Content: "A quiet day. We talked about music.", Mood: "content", Topics: []string{"music", "family"}}},
	})
	wakeup := sonzaihook.Wakeup{
		WakeupID: "wk_2c19",
		Wakeup: sonzaihook.ScheduledWakeup{
			WakeupID: "wk_2c19", AgentID: "agent_luna", UserID: "user_42", CheckType: "event_followup", Intent: "ask how the recital went",
			ScheduledAt: created, Status: "executed", Occasion: "recital", InterestTopic: "music",
			EventDescription: "the sister's cello recital", LastTopic: "rehearsals",
			ExecutedAt: created.Add(2 * time.Second), CreatedAt: time.Date(2026, 2, 27, 18, 0, 0, 0, time.UTC),
		},
		HasEnergy: true, GeneratedMessage: "How was the recital?",
	}
	for _, body := range [][]byte{fixed(t, sonzaihook.EventWakeup), fixedFlat(t, sonzaihook.EventWakeup)} {
		e := receive[sonzaihook.Wakeup](t, sonzaihook.EventWakeup, body)
		require.JSONEq(t, `{"facts":["The user's sister plays the cello."]}`, string(e.Data.MemoryContext))
		e.Data.MemoryContext = nil
		require.Equal(t, wakeup, e.Data)
	}
}

func TestEveryNameOnTheWireReachesTheCallbackOfItsType(t *testing.T) {
	t.Parallel()
	names := map[string]sonzaihook.EventType{
		"on_mood_updated":          sonzaihook.EventMoodChange,
		"memory.created":           sonzaihook.EventMemoryAdded,
		"on_breakthrough_detected": sonzaihook.EventBreakthrough,
		"on_wakeup_ready":          sonzaihook.EventWakeup,
	}
	for _, typ := range sonzaihook.EventTypes() {
		names[string(typ)] = typ
	}
	for name, typ := range names {
		require.Equal(t, typ, sonzaihook.CanonicalType(name))
		for _, key := range []string{"event_type", "type", "event"} {
			body := fmt.Appendf(nil, `{%q:%q,"event_id":"evt_1","data":{}}`, key, name)
			e := receive[json.RawMessage](t, typ, body)
			require.Equal(t, typ, e.Type)
			require.Equal(t, name, e.Name)
			e = receive[json.RawMessage](t, sonzaihook.EventType(name), body)
			require.Equal(t, typ, e.Type, "registered under its name on the wire")
		}
	}
	require.Equal(t, sonzaihook.EventType("agent.message.created"), sonzaihook.CanonicalType("agent.message.created"))
}

func TestEnvelopeIsReadFromEveryPlaceWhereItWasSeen(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"documented names":    `{"event_type":"agent.breakthrough","event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","data":{"narrative":"n"}}`,
		"other names":         `{"type":"agent.breakthrough","id":"e","agent_id":"a","user_id":"u","project_id":"p","timestamp":"2026-03-01T09:30:00Z","payload":{"narrative":"n"}}`,
		"ids in the payload":  `{"event":"agent.breakthrough","id":"e","timestamp":"2026-03-01T09:30:00Z","data":{"narrative":"n","agent_id":"a","user_id":"u","project_id":"p"}}`,
		"flat":                `{"event_type":"agent.breakthrough","event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","narrative":"n"}`,
		"a null payload":      `{"event_type":"agent.breakthrough","event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","data":null,"narrative":"n"}`,
		"event is a object":   `{"event_type":"agent.breakthrough","event":{"x":1},"event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","narrative":"n"}`,
		"type behind nesting": `{"data":{"event_type":"agent.message","narrative":"n","x":["}",{"a":"\\\""}]},"n":-1.5e3,"t":true,"event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","event_type":"agent.breakthrough"}`,
		"escaped keys":        `{"event\u005ftype":"agent.breakthrough","event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","narrative":"n"}`,
		"escaped type":        `{"event_type":"agent\u002ebreakthrough","event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","narrative":"n"}`,
		"an empty first name": `{"event_type":"","type":"agent.breakthrough","event_id":"e","agent_id":"a","user_id":"u","project_id":"p","created_at":"2026-03-01T09:30:00Z","narrative":"n"}`,
		"white space":         " \r\n\t{ \"event_type\" : \"agent.breakthrough\" , \"event_id\":\"e\",\"agent_id\":\"a\",\"user_id\":\"u\",\"project_id\":\"p\",\"created_at\":\"2026-03-01T09:30:00Z\",\"narrative\":\"n\" } \n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := receive[sonzaihook.Breakthrough](t, sonzaihook.EventBreakthrough, []byte(body))
			require.Equal(t, []any{"e", "a", "u", "p", created, "n"}, []any{e.ID, e.AgentID, e.UserID, e.ProjectID, e.CreatedAt, e.Data.Narrative})
		})
	}
}

func TestAssumedTypesOfValuesAreNoReasonToRefuse(t *testing.T) {
	t.Parallel()
	mood := receive[sonzaihook.MoodChange](t, sonzaihook.EventMoodChange, []byte(
		`{"event_type":"agent.mood_change","id":17,"agent_id":5,"created_at":1772357400,"data":{"valence":"72.5","arousal":41,"label":7,"timestamp":"2026-03-01 09:30:00","delta_tension":null}}`))
	require.Equal(t, "17", mood.ID)
	require.Equal(t, "5", mood.AgentID)
	require.Equal(t, created, mood.CreatedAt)
	require.Equal(t, sonzaihook.MoodChange{Valence: 72.5, Arousal: 41, Label: "7", Timestamp: created}, mood.Data)

	breakthrough := receive[sonzaihook.Breakthrough](t, sonzaihook.EventBreakthrough, []byte(
		`{"event_type":"agent.breakthrough","created_at":"yesterday","data":{"agent_id":9,"breakthrough_number":4.0,"level_at_breakthrough":"12","acknowledged":"true","new_goals":null,"created_at":1772357400000}}`))
	require.Equal(t, "9", breakthrough.AgentID)
	require.Zero(t, breakthrough.CreatedAt)
	require.Equal(t, sonzaihook.Breakthrough{BreakthroughNumber: 4, LevelAtBreakthrough: 12, Acknowledged: true, CreatedAt: created}, breakthrough.Data)

	flat := receive[sonzaihook.Message](t, sonzaihook.EventMessage, []byte(
		`{"event_type":"agent.message","message_id":99,"content":"hi","data":"not an object"}`))
	require.Equal(t, "99", flat.Data.MessageID)
	require.Equal(t, "hi", flat.Data.Content)

	polled := receive[sonzaihook.Message](t, sonzaihook.EventMessage, []byte(
		`{"event_type":"agent.message","data":{"id":"msg_1","type":"check","content":"hi"}}`))
	require.Equal(t, "msg_1", polled.Data.MessageID)
	require.Contains(t, polled.ID, "/agent.message//id:msg_1:")
}

func TestBodiesWithoutATypeThatCanBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a number for a type":   `{"event_type":5}`,
		"an object for a type":  `{"event_type":{},"type":"agent.message"}`,
		"an empty type":         `{"event_type":""}`,
		"a blank type":          `{"event_type":" "}`,
		"none, and no wakeup":   `{"wakeup":[]}`,
		"other keys for a type": `{"event":5,"type":null}`,
	} {
		h := recorder.New(t, nil).HandleAll(nil).KeepDeadLetters(nil)
		answer := hooktest.Deliver(t, h, []byte(body))
		require.Equal(t, http.StatusBadRequest, answer.Code, name)
		dead := h.DeadLetters.Last(t)
		require.ErrorIs(t, dead.Reason, sonzaihook.ErrUndecodable)
		require.Equal(t, body, string(dead.Body), name)
		require.Zero(t, h.Runs.Len(), name)
	}
}

type lead struct {
	LeadID string            `json:"lead_id"`
	Score  int               `json:"score"`
	Type   string            `json:"type"`
	Extra  map[string]string `json:"extra"`
}

func TestTypesOfTheUsersOwnDecodeFromBothLayouts(t *testing.T) {
	t.Parallel()
	nested := []byte(`{"event_type":"lead.enriched","event_id":"e","data":{"lead_id":"l","score":3,"type":"warm","extra":{"a":"b"}}}`)
	flat := []byte(`{"event_type":"lead.enriched","event_id":"e","lead_id":"l","score":3,"type":"warm","extra":{"a":"b"}}`)
	want := lead{LeadID: "l", Score: 3, Type: "warm", Extra: map[string]string{"a": "b"}}
	for _, body := range [][]byte{nested, flat} {
		require.Equal(t, want, receive[lead](t, "lead.enriched", body).Data)
		require.Equal(t, &want, receive[*lead](t, "lead.enriched", body).Data)
		require.Equal(t, "l", receive[map[string]any](t, "lead.enriched", body).Data["lead_id"])
		raw := receive[json.RawMessage](t, "lead.enriched", body)
		require.Contains(t, string(raw.Data), `"lead_id":"l"`)
		require.Equal(t, "e", raw.ID)
		require.Equal(t, sonzaihook.EventType("lead.enriched"), raw.Type)
	}
	require.JSONEq(t, `[1,2]`, string(receive[json.RawMessage](t, "x", []byte(`{"type":"x","payload":[1,2]}`)).Data))
	require.Equal(t, []int{1, 2}, receive[[]int](t, "x", []byte(`{"type":"x","data":[1,2]}`)).Data)
	require.Equal(t, []int{1, 2}, receive[[]int](t, "x", []byte(`{"type":"x","agent_id":7,"data":["1",2]}`)).Data)
	require.Equal(t, 3, receive[lead](t, "x", []byte(`{"type":"x","score":"3"}`)).Data.Score)
}

func TestOtherTakesWhatNoCallbackTakes(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil)
	var got []string
	h.OnOther(func(_ context.Context, e *sonzaihook.Event[json.RawMessage]) error {
		got = append(got, "other "+e.Name)
		return nil
	})
	h.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		got = append(got, "message "+e.Name)
		return nil
	})
	for _, body := range []string{`{"type":"session.end","id":"1"}`, `{"type":"agent.message","id":"2"}`, `{"type":"on_wakeup_ready","id":"3"}`} {
		require.Equal(t, http.StatusOK, hooktest.Deliver(t, h, []byte(body)).Code)
	}
	require.Equal(t, []string{"other session.end", "message agent.message", "other on_wakeup_ready"}, got)
}

func TestPrintingAnEventOrADeliveryShowsNoContent(t *testing.T) {
	t.Parallel()
	e := receive[sonzaihook.Message](t, sonzaihook.EventMessage, message(t))
	d := &sonzaihook.Delivery{Type: e.Type, Body: e.Raw}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.Equal(t, "agent.message evt_01JMSG", fmt.Sprintf(format, e))
		require.Equal(t, "agent.message", fmt.Sprintf(format, d))
	}
}
