package validatehook_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/go-playground/validator/v10"
	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/validatehook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

func newReceiver(t *testing.T, v sonzaihook.Validator) *recorder.Receiver {
	t.Helper()
	return recorder.New(t, nil, sonzaihook.WithValidator(v)).HandleAll(nil)
}

func TestEveryFixtureIsValidInBothLayouts(t *testing.T) {
	t.Parallel()
	for _, typ := range sonzaihook.EventTypes() {
		for layout, body := range map[string][]byte{
			"nested": hooktest.Fixture(t, typ),
			"flat":   hooktest.FlatFixture(t, typ),
		} {
			t.Run(string(typ)+" "+layout, func(t *testing.T) {
				t.Parallel()
				in := newReceiver(t, validatehook.New()).KeepDeadLetters(nil)
				require.Equal(t, http.StatusOK, hooktest.Deliver(t, in, body).Code)
				require.Equal(t, 1, in.Runs.Len())
				require.Zero(t, in.DeadLetters.Len())
			})
		}
	}
}

// Nothing public says which fields a delivery has, so little may be demanded.
func TestWhatThePlatformMaySendIsValid(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a message of nothing but its content":        `{"event_type":"agent.message","agent_id":"a","data":{"content":"hi"}}`,
		"a message with its content by another name":  `{"event_type":"agent.message","agent_id":"a","data":{"generated_message":"hi"}}`,
		"a message with the agent in the payload":     `{"event_type":"agent.message","data":{"agent_id":"a","content":"hi"}}`,
		"a message under payload":                     `{"event_type":"agent.message","payload":{"agent_id":"a","content":"hi"}}`,
		"a mood of zeros":                             `{"event_type":"agent.mood_change","agent_id":"a","data":{"valence":0,"label":""}}`,
		"a mood out of its range":                     `{"event_type":"on_mood_updated","agent_id":"a","data":{"valence":101.5,"tension":-1}}`,
		"a memory with nothing but its id":            `{"event_type":"agent.memory_added","agent_id":"a","data":{"fact_id":"f"}}`,
		"a memory with nothing but its text":          `{"event_type":"memory.created","agent_id":"a","data":{"content":"t"}}`,
		"a breakthrough with null arrays":             `{"event_type":"agent.breakthrough","agent_id":"a","data":{"new_goals":null}}`,
		"a breakthrough with nothing":                 `{"event_type":"agent.breakthrough","agent_id":"a","data":{}}`,
		"a wakeup without an agent":                   `{"event_type":"agent.wakeup","wakeup":{"wakeup_id":"w"},"has_energy":true}`,
		"a wakeup without a wakeup":                   `{"event_type":"on_wakeup_ready","generated_message":"hi"}`,
		"a consolidation of an unknown period":        `{"event_type":"agent.consolidation","agent_id":"a","data":{"period":"monthly"}}`,
		"a consolidation with an empty page of diary": `{"event_type":"agent.consolidation","agent_id":"a","data":{"diary_entries":[{}]}}`,
		"an agent's id that is a number":              `{"event_type":"agent.mood_change","agent_id":7,"data":{}}`,
		"a message without a time, a user, a project": `{"event_type":"agent.message","agent_id":"a","content":"hi"}`,
		"an event of a type without rules":            `{"event_type":"session.end"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newReceiver(t, validatehook.New()).KeepDeadLetters(nil)
			require.Equal(t, http.StatusOK, hooktest.Deliver(t, in, []byte(body)).Code)
			require.Zero(t, in.DeadLetters.Len())
		})
	}
}

func TestWhatCannotBeUsedIsRefusedAfterTheDeadLetter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ body, why string }{
		"a message without content": {
			`{"event_type":"agent.message","agent_id":"a","data":{"intent":"hello"}}`, "content is required"},
		"a flat message without content": {
			`{"event_type":"agent.message","agent_id":"a","intent":"hello"}`, "content is required"},
		"a message without an agent and content": {
			`{"event_type":"agent.message","data":{}}`, "agent_id is required; content is required"},
		"a mood without an agent":         {`{"event_type":"agent.mood_change","data":{}}`, "agent_id is required"},
		"a breakthrough without an agent": {`{"event_type":"agent.breakthrough"}`, "agent_id is required"},
		"a consolidation without an agent": {
			`{"event_type":"agent.consolidation","data":{"period":"daily"}}`, "agent_id is required"},
		"a memory with neither text nor id": {
			`{"event_type":"agent.memory_added","agent_id":"a","data":{"importance":1}}`,
			"atomic_text is required without fact_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newReceiver(t, validatehook.New()).KeepDeadLetters(nil)
			answer := hooktest.Deliver(t, in, []byte(test.body))
			require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
			require.Equal(t, string(sonzaihook.Outcome{Code: sonzaihook.CodeInvalid}.Body()), answer.Body.String())
			require.Zero(t, in.Runs.Len())
			require.Equal(t, 1, in.DeadLetters.Len())
			require.ErrorIs(t, in.DeadLetters.Last(t).Reason, sonzaihook.ErrInvalid)
			require.EqualError(t, in.DeadLetters.Last(t).Reason, "sonzaihook: invalid event: validatehook: "+test.why)
			var found *validatehook.Error
			require.ErrorAs(t, in.DeadLetters.Last(t).Reason, &found)
		})
	}
}

func TestAnInvalidEventThatIsNotKeptComesAgain(t *testing.T) {
	t.Parallel()
	in := newReceiver(t, validatehook.New()).KeepDeadLetters(errors.New("disk full"))
	answer := hooktest.Deliver(t, in, []byte(`{"event_type":"agent.message","agent_id":"a"}`))
	require.Equal(t, http.StatusInternalServerError, answer.Code)
	require.Equal(t, 1, in.DeadLetters.Len())
}

// diary is a payload that a user has written for an undocumented type.
type diary struct {
	Date    string `json:"date" validate:"required"`
	Mood    string `json:"mood" validate:"mood"`
	Entries []struct {
		Text string `json:"text" validate:"required"`
	} `json:"entries" validate:"dive"`
}

func TestStructsOfTheUsersOwnAreCheckedByRulesOfTheirOwn(t *testing.T) {
	t.Parallel()
	rules := validator.New()
	require.NoError(t, rules.RegisterValidation("mood", func(fl validator.FieldLevel) bool {
		return fl.Field().String() != "grumpy"
	}))
	for name, test := range map[string]struct {
		body   string
		status int
		why    string
	}{
		"sound":  {`{"event_type":"on_diary_generated","data":{"date":"2026-03-01","mood":"calm"}}`, http.StatusOK, ""},
		"nested": {`{"event_type":"on_diary_generated","data":{"date":"d","entries":[{"text":"x"},{}]}}`, 422, "entries[1].text is required"},
		"flat":   {`{"event_type":"on_diary_generated","mood":"calm"}`, 422, "date is required"},
		"rule":   {`{"event_type":"on_diary_generated","date":"d","mood":"grumpy"}`, 422, `mood does not satisfy "mood"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newReceiver(t, validatehook.With(rules)).KeepDeadLetters(nil)
			sonzaihook.On(in.Receiver, "on_diary_generated", recorder.Callback[diary](in, nil))
			require.Equal(t, test.status, hooktest.Deliver(t, in, []byte(test.body)).Code)
			if test.why == "" {
				require.Zero(t, in.DeadLetters.Len())
				require.Equal(t, 1, in.Runs.Len())
				return
			}
			require.Equal(t, 1, in.DeadLetters.Len())
			require.EqualError(t, in.DeadLetters.Last(t).Reason, "sonzaihook: invalid event: validatehook: "+test.why)
		})
	}
}

func TestPayloadsThatAreNoStructsAreNotChecked(t *testing.T) {
	t.Parallel()
	in := newReceiver(t, validatehook.New()).KeepDeadLetters(nil)
	sonzaihook.On(in.Receiver, "session.end", recorder.Callback[map[string]any](in, nil))
	sonzaihook.On(in.Receiver, "lead.enriched", recorder.Callback[json.RawMessage](in, nil))
	for _, typ := range []string{"session.end", "lead.enriched"} {
		answer := hooktest.Deliver(t, in, []byte(`{"event_type":"`+typ+`","data":{}}`))
		require.Equal(t, http.StatusOK, answer.Code)
	}
	require.Equal(t, 2, in.Runs.Len())
}

func TestARuleThatNobodyRegisteredLosesNothing(t *testing.T) {
	t.Parallel()
	in := newReceiver(t, validatehook.New()).KeepDeadLetters(nil)
	sonzaihook.On(in.Receiver, "on_diary_generated",
		func(context.Context, *sonzaihook.Event[diary]) error { return nil })
	answer := hooktest.Deliver(t, in, []byte(`{"event_type":"on_diary_generated","data":{"date":"d"}}`))
	require.Equal(t, http.StatusInternalServerError, answer.Code)
	require.Equal(t, string(sonzaihook.Outcome{Code: sonzaihook.CodePanicked}.Body()), answer.Body.String())
	require.Zero(t, in.DeadLetters.Len())
}

func TestTheValidatorOfGoPlaygroundItselfWillDo(t *testing.T) {
	t.Parallel()
	in := newReceiver(t, validator.New()).KeepDeadLetters(nil)
	require.Equal(t, http.StatusOK, hooktest.Deliver(t, in, hooktest.Fixture(t, sonzaihook.EventMessage)).Code)
	answer := hooktest.Deliver(t, in, []byte(`{"event_type":"agent.message","agent_id":"a"}`))
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
}
