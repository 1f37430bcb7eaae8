package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// event is something that happened, and of which the platform sends copies.
type event struct {
	name string // the receiver never sees it as an id
	body string
	// signedOnce: it has no id, so that its copies are those with one signature.
	signedOnce bool

	once   sync.Once
	header string
}

// attempted is a field of a body whose value counts the attempts.
const attempted = `"attempt":0`

// delivery returns the body and the signature header of one attempt.
func (e *event) delivery(attempt int) (body []byte, header string) {
	if e.signedOnce {
		e.once.Do(func() { e.header = sonzaihook.Sign([]byte(e.body), secret, time.Now()) })
		return []byte(e.body), e.header
	}
	body = []byte(strings.Replace(e.body, attempted, fmt.Sprintf(`"attempt":%d`, attempt), 1))
	return body, sonzaihook.Sign(body, secret, time.Now())
}

// nameOf returns the name of the event whose body it is.
func nameOf(body []byte) string {
	var e struct{ Proof string }
	_ = json.Unmarshal(body, &e) // empty: the checker knows no such event
	return e.Proof
}

func namesOf(events []*event) []string {
	names := make([]string, len(events))
	for i, e := range events {
		names[i] = e.name
	}
	return names
}

// field is a name and a value, as it stands in a body.
type field struct{ name, value string }

func text(s string) string { return fmt.Sprintf("%q", s) }

// envelope is what an event says of itself. Empty values are left out.
type envelope struct {
	typ     sonzaihook.EventType
	eventID string // JSON
	id      string // JSON; the id of the thing, flat
	agent   string
	project string
	payload []field
}

// lead is the type of an event of the user's own.
const lead sonzaihook.EventType = "lead.enriched"

// drawEvents draws n events of an untidy platform. They come in groups of two that
// have something in common which does not make them one event.
func drawEvents(seed uint64, n int) []*event {
	rng := randomFor(seed, "events")
	var events []*event
	for len(events) < n {
		for _, group := range rng.Perm(len(groups)) {
			for _, env := range groups[group](rng, len(events)) {
				events = append(events, env.draw(rng, len(events)))
			}
		}
	}
	return events[:n]
}

// groups draw two events each; at is a number that no other group has.
var groups = []func(rng *rand.Rand, at int) []envelope{
	sharing(func(a, b *envelope) {}), // nothing but the type
	sharing(func(a, b *envelope) { a.typ, b.eventID = sonzaihook.EventMemoryAdded, a.eventID }),
	sharing(func(a, b *envelope) { b.agent, b.eventID = "agt_2", a.eventID }),
	sharing(func(a, b *envelope) { b.project, b.eventID = "prj_2", a.eventID }),
	sharing(func(a, b *envelope) { a.eventID, b.eventID = "", "" }),
	sharing(func(a, b *envelope) { // a thing that has changed twice
		a.typ, a.id, a.eventID = sonzaihook.EventMoodChange, a.eventID, ""
		b.typ, b.id, b.eventID = a.typ, a.id, ""
	}),
	placeholders,
	recurring,
}

// sharing returns a group of two events that differ in their ids and payloads, and
// then in what change does to them.
func sharing(change func(a, b *envelope)) func(*rand.Rand, int) []envelope {
	types := []sonzaihook.EventType{
		sonzaihook.EventMessage, sonzaihook.EventMoodChange, sonzaihook.EventBreakthrough,
		sonzaihook.EventWakeup, sonzaihook.EventConsolidation, lead, "agent.unheard_of",
	}
	return func(rng *rand.Rand, at int) []envelope {
		typ := types[rng.IntN(len(types))]
		pair := make([]envelope, 2)
		for i := range pair {
			pair[i] = envelope{typ: typ, eventID: text(fmt.Sprintf("evt_%d", at+i)), agent: "agt_1", project: "prj_1"}
		}
		change(&pair[0], &pair[1])
		return pair
	}
}

// placeholders draws two events with the same value where an id should be.
func placeholders(rng *rand.Rand, _ int) []envelope {
	values := []string{`"0"`, `0`, `""`, `" "`, `null`, `"null"`, `"undefined"`, `"00000000-0000-0000-0000-000000000000"`}
	types := []sonzaihook.EventType{sonzaihook.EventMoodChange, sonzaihook.EventConsolidation, lead}
	e := envelope{typ: types[rng.IntN(len(types))], eventID: values[rng.IntN(len(values))], agent: "agt_1"}
	if rng.IntN(2) == 0 {
		e.id = e.eventID
	}
	return []envelope{e, e}
}

// recurring draws a wakeup that comes twice.
func recurring(rng *rand.Rand, at int) []envelope {
	pair := make([]envelope, 2)
	for i := range pair {
		wakeup := fmt.Sprintf(`{"wakeup_id":"wk_%d","check_type":"check_in","scheduled_at":"2026-03-%02dT10:00:00Z"}`, at, 1+rng.IntN(14)+14*i)
		pair[i] = envelope{typ: sonzaihook.EventWakeup, agent: "agt_1", payload: []field{{"wakeup", wakeup}}}
	}
	return pair
}

// odd are fields of each type whose values do not fit.
var odd = map[sonzaihook.EventType][]field{
	sonzaihook.EventMessage:       {{"content", `{"text":"hello"}`}, {"created_at", `[]`}},
	sonzaihook.EventMoodChange:    {{"valence", `"NaN"`}, {"arousal", `1e400`}, {"tension", `{}`}},
	sonzaihook.EventMemoryAdded:   {{"importance", `""`}, {"entities", `{"a":1}`}},
	sonzaihook.EventBreakthrough:  {{"personality_shifts", `[{"trait":"calm"}]`}, {"skill_points_awarded", `1.5`}},
	sonzaihook.EventWakeup:        {{"has_energy", `0.8`}},
	sonzaihook.EventConsolidation: {{"days_processed", `"many"`}, {"diary_entries", `7`}},
}

// draw draws what is left open: the name on the wire, where the payload stands, and
// whether a field of it is odd.
func (e *envelope) draw(rng *rand.Rand, n int) *event {
	drawn := &event{name: fmt.Sprintf("evt_%06d", n)}
	payload := append(slices.Clone(e.payload), field{"note", fmt.Sprintf(`"number %d, half an emoji: \ud83d"`, n)})
	if fields := odd[e.typ]; len(fields) > 0 && rng.IntN(3) == 0 {
		payload = append(payload, fields[rng.IntN(len(fields))])
	}
	wire := sonzaihook.WireNames(e.typ)
	fields := []field{{"event_type", text(wire[rng.IntN(len(wire))])}, {"proof", text(drawn.name)}}
	for _, f := range []field{{"event_id", e.eventID}, {"id", e.id}, {"agent_id", quoted(e.agent)}, {"project_id", quoted(e.project)}} {
		if f.value != "" {
			fields = append(fields, f)
		}
	}
	named := strings.Contains(e.eventID, "evt_")
	drawn.signedOnce = !named && len(e.payload) == 0 && !strings.Contains(e.id, "evt_")
	if named {
		fields = append(fields, field{"attempt", "0"})
	}
	switch layout := rng.IntN(5); {
	case layout == 0 && e.id == "":
		fields = append(fields, field{"payload", object(payload)})
	case layout == 1 && e.id == "":
		inner, _ := json.Marshal(object(payload)) // a string is always fit for JSON
		fields = append(fields, field{"data", string(inner)})
	case layout <= 2 && e.id == "":
		fields = append(fields, field{"data", object(payload)})
	default:
		fields = append(fields, payload...)
	}
	drawn.body = object(fields)
	return drawn
}

func quoted(s string) string {
	if s == "" {
		return ""
	}
	return text(s)
}

func object(fields []field) string {
	members := make([]string, len(fields))
	for i, f := range fields {
		members[i] = text(f.name) + ":" + f.value
	}
	return "{" + strings.Join(members, ",") + "}"
}
