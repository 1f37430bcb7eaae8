package hooktest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Event returns the body of a delivery of any type, with payload under "data" as
// encoding/json encodes it, a new event id, an agent and the time of the call. A
// payload that cannot be encoded fails the test.
func Event(t testing.TB, typ sonzaihook.EventType, payload any) []byte {
	t.Helper()
	body, err := json.MarshalIndent(map[string]any{
		"event_type": typ,
		"event_id":   newID("evt"),
		"agent_id":   "agent_luna",
		"user_id":    "user_42",
		"created_at": time.Now().UTC().Format(time.RFC3339),
		"data":       payload,
	}, "", "  ")
	if err != nil {
		t.Fatalf("hooktest: the payload of an event cannot be encoded: %v", err)
	}
	return body
}

// Set changes one value of the body before it is signed. path has the names that lead
// to it, separated by dots: "agent_id", "data.content",
// "data.diary_entries.0.mood". Objects that are missing on the way are made; a
// number is an index into an array that is long enough. A path that leads through
// another value, and a value that encoding/json cannot encode, fail the test.
func Set(path string, value any) Option {
	return func(r *request) { r.changes = append(r.changes, change{path, value}) }
}

// change is one Set.
type change struct {
	path  string
	value any
}

func (c change) apply(t testing.TB, body []byte) []byte {
	t.Helper()
	value, err := json.Marshal(c.value)
	if err != nil {
		t.Fatalf("hooktest: Set(%q): the value cannot be encoded: %v", c.path, err)
	}
	changed, problem := set(body, strings.Split(c.path, "."), value)
	if problem != "" {
		t.Fatalf("hooktest: Set(%q): %s", c.path, problem)
	}
	return changed
}

// set returns a JSON value in which the value at the path is another. What it does
// not change keeps its bytes; the keys of an object that it changes are sorted.
func set(in json.RawMessage, path []string, value json.RawMessage) (out json.RawMessage, problem string) {
	if len(path) == 0 {
		return value, ""
	}
	var object map[string]json.RawMessage
	var array []json.RawMessage
	switch {
	case len(bytes.TrimSpace(in)) == 0 || json.Unmarshal(in, &object) == nil:
		if object == nil {
			object = make(map[string]json.RawMessage)
		}
		if object[path[0]], problem = set(object[path[0]], path[1:], value); problem != "" {
			return nil, problem
		}
		return encode(object)
	case json.Unmarshal(in, &array) == nil:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(array) {
			return nil, "there is no element " + path[0] + " in an array of " + strconv.Itoa(len(array))
		}
		if array[i], problem = set(array[i], path[1:], value); problem != "" {
			return nil, problem
		}
		return encode(array)
	}
	return nil, "what " + path[0] + " is to be set in is no object and no array"
}

func encode(v any) (json.RawMessage, string) {
	out, err := json.Marshal(v)
	if err != nil {
		return nil, err.Error()
	}
	return out, ""
}

var (
	process = rand.Text()[:8]
	count   atomic.Uint64
)

// newID returns an id that no other call returns, in this process or another.
func newID(prefix string) string {
	return prefix + "_" + process + "_" + strconv.FormatUint(count.Add(1), 10)
}

// renamed gives the event of a fixture a new id, which begins with the old one.
func renamed(body []byte) []byte {
	for _, key := range []string{`"event_id": "`, `"id": "`} {
		at := bytes.Index(body, []byte(key))
		if at < 0 {
			continue
		}
		at += len(key)
		length := bytes.IndexByte(body[at:], '"')
		id := newID(string(body[at : at+length]))
		return append(append(bytes.Clone(body[:at]), id...), body[at+length:]...)
	}
	return body
}
