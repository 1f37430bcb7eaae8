package hooktest_test

import (
	"context"
	"testing"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestEachFixtureIsAnEventAndTheSameBytesAreACopy(t *testing.T) {
	t.Parallel()
	for _, typ := range sonzaihook.EventTypes() {
		for _, fixture := range []func(testing.TB, sonzaihook.EventType) []byte{hooktest.Fixture, hooktest.FlatFixture} {
			hooks := recorder.New(t, nil).HandleAll(nil)
			body := fixture(t, typ)
			for _, b := range [][]byte{body, body, fixture(t, typ)} {
				require.Equal(t, 200, hooktest.Deliver(t, hooks, b).Code)
			}
			require.Equal(t, 2, hooks.Runs.Len(), typ)
		}
	}
}

func TestEventHasThePayloadOfItsCaller(t *testing.T) {
	t.Parallel()
	hooks := recorder.New(t, nil)
	type lead struct {
		Score int `json:"score"`
	}
	var got []*sonzaihook.Event[lead]
	sonzaihook.On(hooks.Receiver, "lead.enriched", func(_ context.Context, e *sonzaihook.Event[lead]) error {
		got = append(got, e)
		return nil
	})
	for range 2 {
		require.Equal(t, 200, hooktest.Deliver(t, hooks, hooktest.Event(t, "lead.enriched", lead{Score: 7})).Code)
	}
	require.Len(t, got, 2)
	require.Equal(t, 7, got[0].Data.Score)
	require.NotEqual(t, got[0].ID, got[1].ID)
	require.NotEmpty(t, got[0].AgentID)
	require.False(t, got[0].CreatedAt.IsZero())
}

func TestSetChangesOneValueBeforeSigning(t *testing.T) {
	t.Parallel()
	var got *sonzaihook.ConsolidationEvent
	hooks := recorder.New(t, nil)
	hooks.OnConsolidation(func(_ context.Context, e *sonzaihook.ConsolidationEvent) error { got = e; return nil })
	answer := hooktest.Deliver(t, hooks, hooktest.Fixture(t, sonzaihook.EventConsolidation),
		hooktest.Set("agent_id", "agent_9"), hooktest.Set("data.days_processed", 11),
		hooktest.Set("data.diary_entries.0.mood", "calm"), hooktest.Set("extra.deep", []int{1}))
	require.Equal(t, 200, answer.Code)
	require.Equal(t, "agent_9", got.AgentID)
	require.Equal(t, 11, got.Data.DaysProcessed)
	require.Equal(t, "calm", got.Data.DiaryEntries[0].Mood)
	require.NotEmpty(t, got.Data.DiaryEntries[0].Content)
	require.Contains(t, string(got.Raw), `"extra":{"deep":[1]}`)
}

func TestSetOfWhatCannotBeSetFailsTheTest(t *testing.T) {
	t.Parallel()
	for path, value := range map[string]any{"event_type.x": 1, "data.diary_entries.99": 1, "agent_id": func() {}} {
		f := &fatal{TB: t}
		require.PanicsWithValue(t, f, func() {
			hooktest.NewRequest(f, hooktest.Fixture(t, sonzaihook.EventConsolidation), hooktest.Set(path, value))
		}, path)
		require.Contains(t, f.said, "Set(", path)
	}
}
