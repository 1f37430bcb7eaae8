package inspector_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/inspector"
)

func TestAReplayIsACopyOrANewEvent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var seen []sonzaihook.Outcome
	d.message()
	d.hooks.Observe(observer(&seen))
	answer := d.post("/deliveries/1/replay", url.Values{"as": {"copy"}})
	require.Equal(t, http.StatusSeeOther, answer.Code)
	require.Equal(t, "../2", answer.Header().Get("Location"))
	require.EqualValues(t, 1, d.ran.Load())
	d.post("/deliveries/1/replay", url.Values{"as": {"new"}})
	require.EqualValues(t, 2, d.ran.Load())
	require.Equal(t, []string{sonzaihook.CodeDuplicate, sonzaihook.CodeProcessed}, []string{seen[0].Code, seen[1].Code})
	require.NotEqual(t, seen[0].DeliveryID, seen[1].DeliveryID)
	require.Equal(t, sonzaihook.SourceReplay, seen[1].Source)
	copied := d.get("/deliveries/2").Body.String()
	require.Contains(t, copied, "replay of #1")
	require.Contains(t, copied, "A copy with the same identity was handled before")
	require.Contains(t, d.get("/deliveries/1").Body.String(), `<a href="2" class="quiet">`, "the copy is listed")
	require.NotContains(t, d.get("/deliveries/1").Body.String(), `<a href="3" class="good">`, "the new event is none")
	require.Equal(t, http.StatusBadRequest, d.post("/deliveries/1/replay", url.Values{}).Code)
	require.Equal(t, http.StatusNotFound, d.post("/deliveries/9/replay", url.Values{"as": {"new"}}).Code)
}

func observer(seen *[]sonzaihook.Outcome) func(context.Context, sonzaihook.Outcome) {
	var mu sync.Mutex
	return func(_ context.Context, out sonzaihook.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		*seen = append(*seen, out)
	}
}

func TestWhatTheReceiverDidNotBelieveIsNotReplayed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.message(hooktest.Tampered())
	d.message(hooktest.Stale())
	for _, path := range []string{"/deliveries/1/replay", "/deliveries/2/replay"} {
		answer := d.post(path, url.Values{"as": {"new"}})
		require.Equal(t, http.StatusConflict, answer.Code)
		require.Contains(t, answer.Body.String(), "signature was right")
	}
	require.Zero(t, d.ran.Load())
}

func TestAttemptsAreListedTogether(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fails("the database is gone")
	require.Equal(t, http.StatusInternalServerError, d.message())
	d.err.Store(nil)
	require.Equal(t, http.StatusOK, d.message())
	page := d.get("/deliveries/2").Body.String()
	require.Contains(t, page, `<a href="1" class="bad">`)
	require.Contains(t, d.get("/deliveries/1").Body.String(), "the database is gone")
	require.Contains(t, d.get("/deliveries/1").Body.String(), "up to four times in all")
}

func TestASampleOfEachTypeIsTakenByTheReceiver(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var seen []sonzaihook.Outcome
	d.hooks.Observe(observer(&seen))
	for _, typ := range sonzaihook.EventTypes() {
		require.Equal(t, http.StatusOK, d.get("/send?type="+string(typ)).Code)
		answer := d.post("/send", url.Values{"type": {string(typ)}, "field.event_id": {"evt_" + string(typ)}})
		require.Equal(t, http.StatusSeeOther, answer.Code, answer.Body.String())
		out := seen[len(seen)-1]
		require.Equal(t, typ, out.Type)
		require.Less(t, out.Status, 300)
		require.Equal(t, sonzaihook.SourceWebhook, out.Source)
		require.Equal(t, http.StatusOK, d.get("/"+answer.Header().Get("Location")).Code)
	}
	require.Contains(t, d.get("/").Body.String(), ">sample<")
}

func TestASampleHasTheFieldsThatWereChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	answer := d.post("/send", url.Values{
		"type": {"agent.consolidation"}, "field.agent_id": {"agent_\"<b>"}, "field.data.days_processed": {"7"},
		"field.data.diary_entries": {`[{"date":"2026-01-01"}]`},
	})
	require.Equal(t, http.StatusSeeOther, answer.Code)
	var sent struct {
		AgentID string `json:"agent_id"`
		UserID  string `json:"user_id"`
		Data    struct {
			Days    int `json:"days_processed"`
			Entries []struct{ Date string }
			Diary   []struct{ Date string } `json:"diary_entries"`
		}
	}
	require.NoError(t, json.Unmarshal(d.get("/deliveries/1/body").Body.Bytes(), &sent))
	require.Equal(t, "agent_\"<b>", sent.AgentID)
	require.Equal(t, "user_42", sent.UserID)
	require.Equal(t, 7, sent.Data.Days)
	require.Equal(t, "2026-01-01", sent.Data.Diary[0].Date)
}

func TestASampleThatIsNoJSONIsShownAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	answer := d.post("/send", url.Values{"type": {"agent.consolidation"}, "field.data.days_processed": {"many"}, "field.agent_id": {"mine"}})
	require.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	require.Contains(t, answer.Body.String(), "Days processed is not JSON.")
	require.Contains(t, answer.Body.String(), `value="mine"`)
	require.Contains(t, answer.Body.String(), `value="many"`)
	require.Contains(t, d.post("/send", url.Values{"type": {"agent.consolidation"}, "field.data.days_processed": {`"7"`}}).Body.String(), "is not a number")
	require.Equal(t, http.StatusNotFound, d.post("/send", url.Values{"type": {"../signatures"}}).Code)
	require.Equal(t, http.StatusNotFound, d.get("/send?type=signatures").Code)
}

func TestASampleCanBeSpoiled(t *testing.T) {
	t.Parallel()
	for flaw, want := range map[string]string{
		"tampered": "the space at the end of the body was lost", "stale": "which is 55 min", "foreign": "the secret is most likely another one", "unsigned": "there is no signature",
	} {
		d := newDesk(t)
		answer := d.post("/send", url.Values{"type": {"agent.message"}, "flaw": {flaw}})
		require.Equal(t, http.StatusSeeOther, answer.Code)
		require.Zero(t, d.ran.Load())
		require.Contains(t, d.get("/deliveries/1").Body.String(), want)
	}
}

func TestWithoutASecretOrAHandlerNothingIsSent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.page.SetSecrets(sonzaihook.Secrets{sonzaihook.EventMoodChange: {"whsec_moods"}})
	answer := d.post("/send", url.Values{"type": {"agent.message"}})
	require.Equal(t, http.StatusConflict, answer.Code)
	require.Contains(t, answer.Body.String(), "no secret for this type")
	bare := inspector.New(d.hooks, inspector.WithSecrets(sonzaihook.Secret(hooktest.Secret)))
	d.page = bare
	require.Contains(t, d.post("/send", url.Values{"type": {"agent.message"}}).Body.String(), "No handler is captured")
}

type faults struct{ on map[string]bool }

func (f faults) List() []inspector.Fault {
	return []inspector.Fault{{Name: "drop-answer", Description: "The answer is <lost>.", On: f.on["drop-answer"]}}
}

func (f faults) Switch(name string, on bool) error {
	if name != "drop-answer" {
		return errors.New("no such fault")
	}
	f.on[name] = on
	return nil
}

func TestFaultsAreSwitched(t *testing.T) {
	t.Parallel()
	f := faults{map[string]bool{}}
	d := newDesk(t, inspector.WithFaults(f))
	require.Contains(t, d.get("/").Body.String(), `href="faults"`)
	require.Contains(t, d.get("/faults").Body.String(), `aria-checked="false"`)
	require.Contains(t, d.get("/faults").Body.String(), "&lt;lost&gt;")
	require.Equal(t, http.StatusSeeOther, d.post("/faults", url.Values{"name": {"drop-answer"}, "on": {"true"}}).Code)
	require.True(t, f.on["drop-answer"])
	require.Contains(t, d.get("/faults").Body.String(), `aria-checked="true"`)
	require.Equal(t, http.StatusUnprocessableEntity, d.post("/faults", url.Values{"name": {"else"}}).Code)
	require.Equal(t, http.StatusNotFound, newDesk(t).get("/faults").Code)
}

func TestBodiesOfAnyKindAreShown(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "null": "null", "number": "12", "array": `[1,[2,{"a":null}]]`, "trailing": `{"a":1} x`, "cut": `{"a":`,
		"deep": nested(200), "data string": `{"event_type":"x","data":"{}"}`, "wide": wide(9000),
		"doubled": `{"a":1,"a":{"b":2}}`, "odd names": `{"":1,"\u0000":2,"é":3}`, "numbers": `{"valence":1e400,"arousal":-5}`,
		"mood": `{"event_type":"agent.mood_change","data":{"valence":1e3,"tension":"x","arousal":0.5,"delta_arousal":-0.5}}`,
	} {
		d := newDesk(t)
		d.deliver([]byte(body))
		answer := d.get("/deliveries/1")
		require.Equal(t, http.StatusOK, answer.Code, name)
		require.Contains(t, answer.Body.String(), "</html>", name)
		require.Less(t, answer.Body.Len(), 3<<20, name)
	}
}

func nested(n int) string {
	s := "1"
	for range n {
		s = `{"a":[` + s + `]}`
	}
	return s
}

func wide(n int) string {
	s := `{"a":[0`
	for range n {
		s += ",0"
	}
	return s + "]}"
}
