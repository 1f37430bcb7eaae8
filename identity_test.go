package sonzaihook_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
	"github.com/stretchr/testify/require"
)

func TestDistinctEventsBothRun(t *testing.T) {
	t.Parallel()
	const nilUUID = "00000000-0000-0000-0000-000000000000"
	for name, bodies := range map[string][2]string{
		"one event id under two types":    {`{"type":"agent.message","event_id":"e"}`, `{"type":"agent.wakeup","event_id":"e"}`},
		"one id under two types":          {`{"type":"x","id":"e"}`, `{"type":"y","id":"e"}`},
		"an id that looks like a key":     {`{"type":"x","event_id":"agent.message:m1"}`, `{"type":"agent.message","data":{"message_id":"m1"}}`},
		"an id that looks like a digest":  {`{"type":"agent.message","event_id":"id:m1"}`, `{"type":"agent.message","data":{"message_id":"m1"}}`},
		"an id with a separator":          {`{"type":"x","agent_id":"a/event:b","event_id":"c"}`, `{"type":"x","agent_id":"a","event_id":"b/event:c"}`},
		"two agents":                      {`{"type":"x","agent_id":"a","event_id":"e"}`, `{"type":"x","agent_id":"b","event_id":"e"}`},
		"two agents in the payload":       {`{"type":"x","event_id":"e","data":{"agent_id":"a"}}`, `{"type":"x","event_id":"e","data":{"agent_id":"b"}}`},
		"two projects":                    {`{"type":"x","project_id":"a","event_id":"e"}`, `{"type":"x","project_id":"b","event_id":"e"}`},
		"a recurring wakeup":              {`{"type":"agent.wakeup","wakeup":{"wakeup_id":"w","scheduled_at":"2026-03-01T10:00:00Z"}}`, `{"type":"agent.wakeup","wakeup":{"wakeup_id":"w","scheduled_at":"2026-03-02T10:00:00Z"}}`},
		"a flat id of the thing":          {`{"type":"agent.mood_change","id":"m","valence":1}`, `{"type":"agent.mood_change","id":"m","valence":2}`},
		"an id of the thing in data":      {`{"type":"agent.mood_change","data":{"id":"m","valence":1}}`, `{"type":"agent.mood_change","data":{"id":"m","valence":2}}`},
		"a message that was edited":       {`{"type":"agent.message","data":{"message_id":"m","content":"a"}}`, `{"type":"agent.message","data":{"message_id":"m","content":"b"}}`},
		"numbers beyond a float":          {`{"type":"x","id":"m","data":{"n":9007199254740992}}`, `{"type":"x","id":"m","data":{"n":9007199254740993}}`},
		"half an emoji in the event id":   {`{"type":"x","event_id":"\ud83d"}`, `{"type":"x","event_id":"\ud83e"}`},
		"half an emoji or what stands in": {`{"type":"x","event_id":"\ud83d"}`, `{"type":"x","event_id":"\ufffd"}`},
		"half an emoji in the type":       {`{"type":"x\ud83d","event_id":"e","n":1}`, `{"type":"x\ud83e","event_id":"e","n":2}`},
		"half an emoji in the payload":    {`{"type":"x","id":"e","data":{"s":"\ud83d"}}`, `{"type":"x","id":"e","data":{"s":"\ud83e"}}`},
		"a null byte":                     {`{"type":"x","event_id":"a\u0000b"}`, `{"type":"x","event_id":"a"}`},
		"case":                            {`{"type":"x","event_id":"E"}`, `{"type":"x","event_id":"e"}`},
		"a key of another case":           {`{"type":"x","EVENT_ID":"e","n":1}`, `{"type":"x","EVENT_ID":"e","n":2}`},
		"0":                               {`{"type":"x","event_id":"0","n":1}`, `{"type":"x","event_id":"0","n":2}`},
		"the number 0":                    {`{"type":"x","id":0,"n":1}`, `{"type":"x","id":0,"n":2}`},
		"a blank":                         {`{"type":"x","event_id":"  ","n":1}`, `{"type":"x","event_id":"  ","n":2}`},
		"the nil UUID":                    {`{"type":"x","event_id":"` + nilUUID + `","n":1}`, `{"type":"x","event_id":"` + nilUUID + `","n":2}`},
		"the nil UUID without hyphens":    {`{"type":"x","event_id":"00000000000000000000000000000000","n":1}`, `{"type":"x","event_id":"00000000000000000000000000000000","n":2}`},
		"null in quotes":                  {`{"type":"x","event_id":"null","n":1}`, `{"type":"x","event_id":"null","n":2}`},
		"undefined":                       {`{"type":"x","id":"undefined","n":1}`, `{"type":"x","id":"undefined","n":2}`},
		"Unknown":                         {`{"type":"x","id":"Unknown","n":1}`, `{"type":"x","id":"Unknown","n":2}`},
		"a placeholder for a key":         {`{"type":"agent.message","data":{"message_id":"0","content":"a"}}`, `{"type":"agent.message","data":{"message_id":"0","content":"b"}}`},
		"an object for an id":             {`{"type":"x","event_id":{},"n":1}`, `{"type":"x","event_id":{},"n":2}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil).HandleAll(nil)
			now := hooktest.At(time.Now())
			for _, body := range bodies {
				require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(body), now)), body)
				require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, []byte(body), now)), "the same bytes in the same second: %s", body)
			}
			require.Equal(t, 2, h.Runs.Len())
		})
	}
}

func TestCopiesOfOneEventRunOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, bodies := range map[string][2]string{
		"signed again, with an event id":      {`{"type":"x","event_id":"e"}`, `{"type":"x","event_id":"e"}`},
		"a changed attempt count":             {`{"type":"x","event_id":"e","attempt":1,"data":{"n":1}}`, `{"type":"x","event_id":"e","attempt":2,"data":{"n":1}}`},
		"an attempt count beside an id":       {`{"type":"x","id":"e","attempt":1,"data":{"n":1}}`, `{"type":"x","id":"e","attempt":2,"data":{"n":1}}`},
		"under two names":                     {`{"event_type":"agent.wakeup","wakeup":{"wakeup_id":"w"}}`, `{"event_type":"on_wakeup_ready","wakeup":{"wakeup_id":"w"}}`},
		"under two keys of the type":          {`{"type":"x","id":"e"}`, `{"event_type":"x","id":"e"}`},
		"the payload's keys in another order": {`{"type":"x","id":"e","data":{"a":1,"b":2}}`, `{"type":"x","id":"e","data":{"b":2,"a":1}}`},
		"escaped differently":                 {`{"type":"x","id":"e","data":"\u0041"}`, `{"type":"x","id":"e","data":"A"}`},
		"under data and under payload":        {`{"type":"x","id":"e","data":{"n":1}}`, `{"type":"x","id":"e","payload":{"n":1}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := recorder.New(t, nil).HandleAll(nil)
			require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(bodies[0]), hooktest.At(now))))
			require.Equal(t, "duplicate", code(t, hooktest.Deliver(t, h, []byte(bodies[1]), hooktest.At(now.Add(3*time.Second)))))
		})
	}
}

func TestTheOwnerOfOneSecretCannotKeepAnotherTypesEventFromRunning(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, sonzaihook.Secrets{"x": {"whsec_x"}, sonzaihook.EventMessage: {"whsec_m"}}).HandleAll(nil)
	for _, forged := range []string{
		`{"type":"x","event_id":"e"}`, `{"type":"x","event_id":"agent.message:m"}`, `{"type":"x","id":"m","message_id":"m"}`,
	} {
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(forged), hooktest.SignedWith("whsec_x"))))
	}
	for _, body := range []string{`{"type":"agent.message","event_id":"e"}`, `{"type":"agent.message","data":{"message_id":"m"}}`} {
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(body), hooktest.SignedWith("whsec_m"))))
	}
}

func TestIdentityOfIsWhatAReceiverWouldUse(t *testing.T) {
	t.Parallel()
	at := time.Unix(time.Now().Unix(), 0)
	for body, named := range map[string]bool{
		`{"type":"agent.message","event_id":"e"}`:                           true,
		`{"type":"x","id":"e","data":{"n":1}}`:                              true,
		`{"event_type":"on_wakeup_ready","data":{"wakeup_id":"w"}}`:         true,
		`{"wakeup":{"wakeup_id":"w"},"has_energy":true}`:                    true,
		`{"type":"agent.mood_change","valence":"odd","event_id":7}`:         true,
		"\ufeff" + `{"type":"agent.breakthrough","breakthrough_id":"b"}`:    true,
		`{"type":"agent.mood_change","valence":1}`:                          false,
		`{"type":"agent.message","event_id":"null","message_id":"unknown"}`: false,
		fmt.Sprintf(`{"type":"x","event_id":"%0300d"}`, 1):                  true,
	} {
		h := recorder.New(t, nil).HandleAll(nil)
		require.Equal(t, "processed", code(t, hooktest.Deliver(t, h, []byte(body), hooktest.At(at))), body)
		d := &sonzaihook.Delivery{Source: sonzaihook.SourceWebhook, SignedAt: at, Body: []byte(body)}
		id, isNamed := sonzaihook.IdentityOf(d)
		require.Equal(t, h.Outcomes.Last(t).DeliveryID, id, body)
		require.Equal(t, named, isNamed, body)
		require.Empty(t, d.ID)
	}
	id, named := sonzaihook.IdentityOf(&sonzaihook.Delivery{Body: []byte("no JSON")})
	require.Empty(t, id)
	require.False(t, named)
	id, named = sonzaihook.IdentityOf(&sonzaihook.Delivery{ID: "mine", Body: []byte("{}")})
	require.Equal(t, "mine", id)
	require.True(t, named)
}

func TestAnIdentityDoesNotDependOnWhatIsRegistered(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"type":"agent.wakeup","event_id":"e","data":{"agent_id":"a","wakeup_id":"w"}}`,
		`{"type":"agent.wakeup","wakeup":{"wakeup_id":"w","agent_id":"a","scheduled_at":"2026-03-01T10:00:00Z"}}`,
		`{"type":"agent.message","agent_id":5,"data":{"message_id":7}}`,
		`{"type":"agent.message","data":"{\"message_id\":\"m\",\"agent_id\":\"a\"}"}`,
	} {
		seen := map[string]bool{}
		for _, register := range []func(h *recorder.Receiver){
			func(h *recorder.Receiver) { h.HandleAll(nil) },
			func(*recorder.Receiver) {},
			func(h *recorder.Receiver) {
				for _, typ := range sonzaihook.EventTypes() {
					sonzaihook.On(h.Receiver, typ, func(context.Context, *sonzaihook.Event[any]) error { return nil })
				}
			},
			func(h *recorder.Receiver) {
				for _, typ := range sonzaihook.EventTypes() {
					sonzaihook.On(h.Receiver, typ, func(context.Context, *sonzaihook.Event[any]) error { return nil })
				}
				h.HandleAll(nil)
			},
		} {
			h := recorder.New(t, nil)
			register(h)
			require.Equal(t, 200, hooktest.Deliver(t, h, []byte(body)).Code)
			seen[h.Outcomes.Last(t).DeliveryID] = true
		}
		require.Len(t, seen, 1, body)
	}
}

func TestNaturalIdentitiesOfProjectsAndDatesAreApart(t *testing.T) {
	t.Parallel()
	h := recorder.New(t, nil, sonzaihook.WithIdentity(sonzaihook.NaturalIdentity)).HandleAll(nil)
	for _, d := range []sonzaihook.Delivery{
		{Body: []byte(`{"type":"agent.message","message_id":"m"}`)},
		{Project: "p1", Body: []byte(`{"type":"agent.message","message_id":"m"}`)},
		{Project: "p2", Body: []byte(`{"type":"agent.message","message_id":"m"}`)},
		{Body: []byte(`{"type":"agent.wakeup","wakeup":{"wakeup_id":"w","scheduled_at":"2026-03-01T10:00:00Z"}}`)},
		{Body: []byte(`{"type":"agent.wakeup","wakeup":{"wakeup_id":"w","scheduled_at":"2026-03-02T10:00:00Z"}}`)},
		{Body: []byte(`{"type":"agent.message","message_id":"p1/agent.message:m"}`)},
	} {
		require.Equal(t, sonzaihook.CodeProcessed, h.Dispatch(t.Context(), &d).Code, string(d.Body))
		require.Equal(t, sonzaihook.CodeDuplicate, h.Dispatch(t.Context(), &d).Code, string(d.Body))
	}
}

// Whatever two bodies say, they are copies only if an id or the bytes say so.
func FuzzIdentity(f *testing.F) {
	for _, body := range fixtures(f) {
		f.Add(body, body)
	}
	f.Add([]byte(`{"type":"x","id":"\ud83d"}`), []byte(`{"type":"x","id":"\ufffd"}`))
	f.Add([]byte(`{"type":"x","id":0}`), []byte(`{"type":"x","id":"0"}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		first, named := sonzaihook.IdentityOf(&sonzaihook.Delivery{Type: "x", Body: a})
		second, alsoNamed := sonzaihook.IdentityOf(&sonzaihook.Delivery{Type: "y", Body: b})
		if first != "" {
			require.NotEqual(t, first, second, "two types")
		}
		again, _ := sonzaihook.IdentityOf(&sonzaihook.Delivery{Type: "x", SignedAt: time.Unix(1, 0), Body: a})
		require.Equal(t, named || first == "", first == again, "only what was signed changes with its time")
		_ = alsoNamed
	})
}
