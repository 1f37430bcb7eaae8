package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/testdata"
)

// The bodies of the deliveries that the commands send.

// typeOf finds the documented event type that a person means: its name, its name
// without "agent.", or a name that the platform's dispatcher uses for it. The
// second result is the name to put on the wire.
func typeOf(name string) (sonzaihook.EventType, string, error) {
	for _, wire := range []string{name, "agent." + name} {
		if t := sonzaihook.CanonicalType(wire); slices.Contains(sonzaihook.EventTypes(), t) {
			return t, wire, nil
		}
	}
	return "", "", fmt.Errorf("no body for event type %q: want %s; send a type of your own with --body", name, typeNames(", "))
}

func typeNames(separator string) string {
	var names []string
	for _, t := range sonzaihook.EventTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, separator)
}

// fixture returns the sample body of a documented type, with its payload under
// "data" or beside the envelope's fields.
func fixture(t sonzaihook.EventType, flat bool) ([]byte, error) {
	name := string(t) + ".json"
	if flat {
		name = string(t) + ".flat.json"
	}
	return testdata.Files.ReadFile(name)
}

// The names that a field of the envelope has on the wire.
var (
	typeKeys = []string{"event_type", "type", "event"}
	idKeys   = []string{"event_id", "id"}
	timeKeys = []string{"created_at", "timestamp"}
)

// fresh returns a sample body as a new event: with the given name of its type, an
// id of its own and the given time.
func fresh(body []byte, name string, at time.Time) ([]byte, error) {
	values := []struct {
		keys  []string
		value string
	}{
		{typeKeys, name},
		{idKeys, "evt_" + rand.Text()},
		{timeKeys, at.UTC().Format(time.RFC3339)},
	}
	var err error
	for _, v := range values {
		if body, err = sjson.SetBytes(body, present(body, v.keys), v.value); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	return body, nil
}

// renewed returns a payload in which the event's own id is a new one, so that it is
// not taken for a copy of the sample.
func renewed(payload []byte) ([]byte, error) {
	for _, key := range []string{"message_id", "breakthrough_id", "fact_id", "wakeup.wakeup_id"} {
		id := gjson.GetBytes(payload, key)
		if !id.Exists() {
			continue
		}
		prefix, _, _ := strings.Cut(id.String(), "_")
		var err error
		if payload, err = sjson.SetBytes(payload, key, prefix+"_"+strings.ToLower(rand.Text())); err != nil {
			return nil, err
		}
	}
	return payload, nil
}

// present returns the first of the keys that the body has, or else the first.
func present(body []byte, keys []string) string {
	for _, key := range keys {
		if gjson.GetBytes(body, key).Exists() {
			return key
		}
	}
	return keys[0]
}

// field returns a string of the envelope under whichever key it has.
func field(body []byte, keys ...string) string {
	return gjson.GetBytes(body, present(body, keys)).String()
}

// wellFormedPath matches keys joined by dots. A backslash before a character takes
// away its meaning; the wildcards and queries of the library are left out.
var wellFormedPath = regexp.MustCompile(`^(?:\\.|[^.\\*?|#@])+(?:\.(?:\\.|[^.\\*?|#@])+)*$`)

// assign carries out "data.valence=12": a path whose keys are joined by dots, and
// a value that is JSON, or else a string. The order of keys and the white space
// of the body stay.
func assign(body []byte, assignment string) ([]byte, error) {
	path, value, found := strings.Cut(assignment, "=")
	if !found || !wellFormedPath.MatchString(path) {
		return nil, fmt.Errorf("--set %s: want path=value, as in data.valence=12 or data.diary_entries.0.mood=calm", assignment)
	}
	if err := assignable(body, path); err != nil {
		return nil, fmt.Errorf("--set %s: %w", assignment, err)
	}
	raw := []byte(value)
	if !json.Valid(raw) {
		raw, _ = json.Marshal(value) // a string always marshals
	}
	changed, err := sjson.SetRawBytes(body, path, raw)
	if err != nil {
		return nil, fmt.Errorf("--set %s: %w", assignment, err)
	}
	if !json.Valid(changed) {
		return nil, fmt.Errorf("--set %s: the path does not fit the body", assignment)
	}
	return changed, nil
}

// assignable refuses a path that leads through something other than an object or
// an array, which the library would replace.
func assignable(body []byte, path string) error {
	if !gjson.ParseBytes(body).IsObject() {
		return errors.New("the body is not a JSON object")
	}
	keys := strings.Split(path, ".")
	for i := 1; i < len(keys); i++ {
		above := strings.Join(keys[:i], ".")
		if strings.HasSuffix(above, `\`) {
			continue // an escaped dot belongs to the key
		}
		if at := gjson.GetBytes(body, above); at.Exists() && !at.IsObject() && !at.IsArray() {
			return fmt.Errorf("%s is not an object", above)
		}
	}
	return nil
}
