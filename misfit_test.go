package sonzaihook_test

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestAFieldThatDoesNotFitIsZeroAndNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ     sonzaihook.EventType
		payload string
		misfit  []string
	}{
		{sonzaihook.EventMemoryAdded, `{"importance":"","atomic_text":"a"}`, []string{"importance"}},
		{sonzaihook.EventMemoryAdded, `{"importance":{},"confidence":[],"atomic_text":"a"}`, []string{"importance", "confidence"}},
		{sonzaihook.EventMemoryAdded, `{"entities":"all","topic_tags":[{}]}`, []string{"entities", "topic_tags"}},
		{sonzaihook.EventWakeup, `{"wakeup":[],"generated_message":"hi"}`, []string{"wakeup"}},
		{sonzaihook.EventWakeup, `{"wakeup":{"intent":[],"wakeup_id":"w"}}`, []string{"wakeup.intent"}},
		{sonzaihook.EventWakeup, `{"has_energy":0.8}`, []string{"has_energy"}},
		{sonzaihook.EventBreakthrough, `{"personality_shifts":[{"trait":"warm"}],"new_goals":["a"]}`, []string{"personality_shifts"}},
		{sonzaihook.EventBreakthrough, `{"skill_points_awarded":1.5}`, []string{"skill_points_awarded"}},
		{sonzaihook.EventBreakthrough, `{"skill_points_awarded":1e400}`, []string{"skill_points_awarded"}},
		{sonzaihook.EventBreakthrough, `{"skill_points_awarded":99999999999999999999}`, []string{"skill_points_awarded"}},
		{sonzaihook.EventBreakthrough, `{"acknowledged":"perhaps"}`, []string{"acknowledged"}},
		{sonzaihook.EventMoodChange, `{"valence":"NaN","arousal":"Infinity","tension":"0x1p4","label":true}`, []string{"valence", "arousal", "tension", "label"}},
		{sonzaihook.EventMoodChange, `{"valence":1e400,"arousal":"1e400","affiliation":"high"}`, []string{"valence", "arousal", "affiliation"}},
		{sonzaihook.EventMoodChange, `{"timestamp":"yesterday"}`, []string{"timestamp"}},
		{sonzaihook.EventConsolidation, `{"diary_entries":[{"mood":{},"content":"a"},{"topics":"x"}]}`, []string{"diary_entries.mood", "diary_entries.topics"}},
		{sonzaihook.EventConsolidation, `{"diary_entries":["a"]}`, []string{"diary_entries"}},
		{sonzaihook.EventConsolidation, `{"diary_entries":{},"period":5}`, []string{"diary_entries"}},
	} {
		for layout, body := range map[string]string{
			"nested": `{"event_type":"` + string(c.typ) + `","event_id":"e","data":` + c.payload + `}`,
			"flat":   `{"event_type":"` + string(c.typ) + `","event_id":"e",` + c.payload[1:],
		} {
			h := recorder.New(t, nil).HandleAll(nil)
			var misfit []string
			var raw json.RawMessage
			catch(h, &misfit, &raw)
			require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(body))), "%s %s", layout, c.payload)
			require.ElementsMatch(t, c.misfit, misfit, "%s %s", layout, c.payload)
			require.Equal(t, body, string(raw))
			require.Contains(t, h.Log.String(), c.misfit[0])
			require.NotContains(t, h.Log.String(), "yesterday", "the log names the field, not its value")
		}
	}
}

// catch keeps the misfits and the raw body of the next event of any documented type.
func catch(h *recorder.Receiver, misfit *[]string, raw *json.RawMessage) {
	h.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		*misfit, *raw = e.Misfit, e.Raw
		return nil
	})
	h.OnMemoryAdded(func(_ context.Context, e *sonzaihook.MemoryAddedEvent) error {
		*misfit, *raw = e.Misfit, e.Raw
		return nil
	})
	h.OnBreakthrough(func(_ context.Context, e *sonzaihook.BreakthroughEvent) error {
		*misfit, *raw = e.Misfit, e.Raw
		return nil
	})
	h.OnWakeup(func(_ context.Context, e *sonzaihook.WakeupEvent) error { *misfit, *raw = e.Misfit, e.Raw; return nil })
	h.OnConsolidation(func(_ context.Context, e *sonzaihook.ConsolidationEvent) error {
		*misfit, *raw = e.Misfit, e.Raw
		return nil
	})
}

func TestWhatAnEventHoldsCanBeEncodedAgain(t *testing.T) {
	t.Parallel()
	mood := receive[sonzaihook.MoodChange](t, sonzaihook.EventMoodChange, []byte(`{"event_type":"agent.mood_change","valence":"NaN","label":"\ud83d"}`))
	require.False(t, math.IsNaN(mood.Data.Valence))
	_, err := json.Marshal(mood)
	require.NoError(t, err)
}

func TestHalfAnEmojiBecomesAReplacementCharacter(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"event_type":"agent.message","data":{"content":"oh \ud83d"}}`,
		`{"event_type":"agent.message","content":"oh \ud83d"}`,
		`{"event_type":"agent.message","user_id":"\udc00","content":"oh \ud83d","x":"\ud83d\ud83d"}`,
	} {
		require.Equal(t, "oh \ufffd", receive[sonzaihook.Message](t, sonzaihook.EventMessage, []byte(body)).Data.Content)
		require.Contains(t, receive[map[string]any](t, sonzaihook.EventMessage, []byte(body)).String(), "agent.message")
	}
	require.Equal(t, 400, hooktest.Deliver(t, recorder.New(t, nil), []byte("{\"type\":\"x\",\"a\":\"\xff\"}")).Code, "bytes that are not UTF-8")
}

func TestAPayloadInAStringOrAnArrayIsUnwrapped(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		`"{\"content\":\"hi\"}"`, `[{"content":"hi"}]`, `["{\"content\":\"hi\"}"]`, `"[{\"content\":\"hi\"}]"`,
		`"\"{\\\"content\\\":\\\"hi\\\"}\""`, `" {\"content\":\"hi\"} "`,
	} {
		for _, key := range []string{"data", "payload"} {
			e := receive[sonzaihook.Message](t, sonzaihook.EventMessage, []byte(`{"event_type":"agent.message","`+key+`":`+data+`}`))
			require.Equal(t, "hi", e.Data.Content, data)
			require.Empty(t, e.Misfit)
			require.Equal(t, "hi", receive[struct{ Content string }](t, sonzaihook.EventMessage, []byte(`{"event_type":"agent.message","`+key+`":`+strings.ReplaceAll(data, "content", "Content")+`}`)).Data.Content)
		}
	}
	for _, data := range []string{`"text"`, `[{"content":"a"},{"content":"b"}]`, `5`, `"{broken"`} {
		e := receive[sonzaihook.Message](t, sonzaihook.EventMessage, []byte(`{"event_type":"agent.message","content":"beside","data":`+data+`}`))
		require.Equal(t, "beside", e.Data.Content)
		require.Equal(t, []string{"data"}, e.Misfit)
	}
}

func TestTimesAreReadAsDatabasesAndLanguagesWriteThem(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	for _, text := range []string{
		`"2026-03-01T09:30:00Z"`, `"2026-03-01 09:30:00+00"`, `"2026-03-01 09:30:00.000000+00"`, `"2026-03-01T09:30:00+0000"`,
		`"2026-03-01T10:30:00+0100"`, `"2026-03-01 09:30:00 +0000 UTC"`, `"2026-03-01 09:30:00 +0000 UTC m=+0.0123"`,
		`"2026-03-01 10:30:00 +0100 CET"`, `"2026-03-01t09:30:00z"`, `"2026-03-01T09:30Z"`, `"2026-03-01 09:30"`, `"2026-03-01 09:30:00 UTC"`,
		`"2026-03-01T09:30:00,000Z"`, `"20260301T093000Z"`, `"2026-03-01T09:30:00Z[UTC]"`, `"Sun, 01 Mar 2026 09:30:00 GMT"`,
		`"Sun Mar  1 09:30:00 2026"`, `"Sun Mar 01 2026 09:30:00 GMT+0000 (Coordinated Universal Time)"`, `" 2026-03-01T09:30:00Z "`,
		`1772357400`, `1772357400000`, `1772357400000000`, `1772357400000000000`, `"1772357400"`, `1772357400.0`,
	} {
		e := receive[sonzaihook.MoodChange](t, sonzaihook.EventMoodChange, []byte(`{"event_type":"agent.mood_change","data":{"timestamp":`+text+`}}`))
		require.True(t, want.Equal(e.Data.Timestamp), "%s: %v", text, e.Data.Timestamp)
		require.Empty(t, e.Misfit, text)
		for _, key := range []string{"created_at", "timestamp", "occurred_at"} {
			e := receive[sonzaihook.Breakthrough](t, sonzaihook.EventBreakthrough, []byte(`{"event_type":"agent.breakthrough","`+key+`":`+text+`}`))
			require.True(t, want.Equal(e.CreatedAt), "%s %s", key, text)
		}
	}
	for _, text := range []string{`""`, `"yesterday"`, `"2026-13-01"`, `-5`, `0`, `true`, `{}`} {
		e := receive[sonzaihook.MoodChange](t, sonzaihook.EventMoodChange, []byte(`{"event_type":"agent.mood_change","data":{"timestamp":`+text+`}}`))
		require.True(t, e.Data.Timestamp.IsZero(), text)
		require.Equal(t, []string{"timestamp"}, e.Misfit, text)
	}
}

func TestAStructOfTheUsersThatDoesNotFitIsNamedEverywhere(t *testing.T) {
	t.Parallel()
	body := []byte(`{"type":"lead.enriched","event_id":"e","data":{"lead_id":"l","score":"very private"}}`)
	h := recorder.New(t, nil)
	sonzaihook.On(h.Receiver, "lead.enriched", func(context.Context, *sonzaihook.Event[lead]) error { return nil })
	require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, body)), "a deploy mends it")
	h.KeepDeadLetters(nil)
	answer := hooktest.Deliver(t, h, body)
	require.Equal(t, []any{http.StatusUnprocessableEntity, "rejected"}, []any{answer.Code, code(t, answer)})
	dead := h.DeadLetters.Last(t)
	require.Equal(t, sonzaihook.EventType("lead.enriched"), dead.Type)
	require.ErrorIs(t, dead.Reason, sonzaihook.ErrMisfit)
	for _, text := range []string{dead.Reason.Error(), h.Log.String()} {
		require.Contains(t, text, "sonzaihook_test.lead")
		require.Contains(t, text, "score")
		require.NotContains(t, text, "private")
	}
}

func TestAValidatorsNoAfterAMisfitIsFinalOnlyIfItIsKept(t *testing.T) {
	t.Parallel()
	no := sonzaihook.WithValidator(validatorFunc(func(any) error { return errUser }))
	odd, fine := []byte(`{"type":"agent.mood_change","valence":"odd"}`), []byte(`{"type":"agent.mood_change","valence":1}`)
	h := recorder.New(t, nil, no).HandleAll(nil)
	require.Equal(t, "invalid", code(t, hooktest.Deliver(t, h, fine)))
	require.Equal(t, "failed", code(t, hooktest.Deliver(t, h, odd)))
	h.KeepDeadLetters(nil)
	require.Equal(t, "invalid", code(t, hooktest.Deliver(t, h, odd)))
}

func TestTheTypeIsTheFirstNameThatIsKnown(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]sonzaihook.EventType{
		`{"event":"agent.message","type":"check_in"}`:                         sonzaihook.EventMessage,
		`{"type":"check_in","event":"agent.message"}`:                         sonzaihook.EventMessage,
		`{"type":"agent.wakeup","event":"agent.message"}`:                     sonzaihook.EventWakeup,
		`{"event_type":"x","type":"agent.wakeup","event":"agent.message"}`:    "x",
		`{"type":"a","event":"b"}`:                                            "a",
		`{"type":" ","event":"b"}`:                                            "b",
		`{"type":7,"event":"b"}`:                                              "b",
		`{"event_type":null,"type":"a"}`:                                      "a",
		`{"event_type":"","wakeup":{"wakeup_id":"w"}}`:                        sonzaihook.EventWakeup,
		`{"data":{"wakeup":{"wakeup_id":"w"}}}`:                               sonzaihook.EventWakeup,
		"\ufeff" + `{"event_type":"agent.message"}`:                           sonzaihook.EventMessage,
		`{"event":"on_wakeup_ready","type":"check_in","wakeup_id":"w"}`:       sonzaihook.EventWakeup,
		`{"event\u005ftype":"agent.message","type":"agent.wakeup"}`:           sonzaihook.EventMessage,
		`{"type":"check_in","event":"agent.message","content":"c","id":"m1"}`: sonzaihook.EventMessage,
	} {
		h := recorder.New(t, nil).HandleAll(nil)
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(body))), body)
		require.Equal(t, want, h.Outcomes.Last(t).Type, body)
	}
	e := receive[sonzaihook.Message](t, sonzaihook.EventMessage, []byte(`{"event":"agent.message","type":"check_in","content":"hi"}`))
	require.Equal(t, "check_in", e.Data.CheckType)
}

func TestAnUndecodableEventHasATypeIfABodyGaveOne(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]sonzaihook.EventType{
		`{"event_type":"agent.message"} trailing`:           sonzaihook.EventMessage,
		`{"event_type":"on_wakeup_ready","a":1,"a":2}`:      sonzaihook.EventWakeup,
		"{\"event_type\":\"agent.message\",\"a\":\"\xff\"}": sonzaihook.EventMessage,
		`[{"event_type":"agent.message"}]`:                  "",
	} {
		h := recorder.New(t, nil).KeepDeadLetters(nil)
		require.Equal(t, "undecodable", code(t, hooktest.Deliver(t, h, []byte(body))), body)
		require.Equal(t, want, h.DeadLetters.Last(t).Type, body)
		require.Equal(t, want, h.Outcomes.Last(t).Type)
		require.Equal(t, want != "", strings.Contains(h.Log.String(), "type="+string(want)) && want != "")
	}
}
