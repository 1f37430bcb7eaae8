// Package delivery makes deliveries as the platform does, sends them, and reads
// what a server answers. It also serves those that arrive.
package delivery

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/testdata"
)

// TypeOf finds the documented event type that a name stands for: the type itself,
// the type without "agent.", or another name that the platform uses for it. The
// second result is the name to put on the wire.
func TypeOf(name string) (sonzaihook.EventType, string, error) {
	for _, wire := range []string{name, "agent." + name} {
		if t := sonzaihook.CanonicalType(wire); slices.Contains(sonzaihook.EventTypes(), t) {
			return t, wire, nil
		}
	}
	return "", "", fmt.Errorf("no body for event type %q: want %s; send a type of your own with --body", name, TypeNames(", "))
}

// TypeNames lists the documented event types.
func TypeNames(separator string) string {
	var names []string
	for _, t := range sonzaihook.EventTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, separator)
}

// Sample returns the sample body of a documented type, with its payload under
// "data" or beside the envelope's fields.
func Sample(t sonzaihook.EventType, flat bool) ([]byte, error) {
	name := string(t) + ".json"
	if flat {
		name = string(t) + ".flat.json"
	}
	return testdata.Files.ReadFile(name)
}

// The names that fields of the envelope have on the wire.
var (
	TypeKeys = []string{"event_type", "type", "event"}
	IDKeys   = []string{"event_id", "id"}
	TimeKeys = []string{"created_at", "timestamp"}
)

// Fresh returns a sample body as a new event: with the given name of its type, a
// new id and the given time.
func Fresh(body []byte, name string, at time.Time) ([]byte, error) {
	values := []struct {
		keys  []string
		value string
	}{
		{TypeKeys, name},
		{IDKeys, "evt_" + rand.Text()},
		{TimeKeys, at.UTC().Format(time.RFC3339)},
	}
	var err error
	for _, v := range values {
		if body, err = sjson.SetBytes(body, present(body, v.keys), v.value); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	return body, nil
}

// WithNewIDs returns a payload in which the id of the message, fact, wakeup or
// breakthrough is new, so that it is not taken for a copy of the sample.
func WithNewIDs(payload []byte) ([]byte, error) {
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

// Field returns a string of the envelope under whichever key it has.
func Field(body []byte, keys ...string) string {
	return gjson.GetBytes(body, present(body, keys)).String()
}
