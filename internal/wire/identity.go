package wire

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Exact has the texts of a body from which an identity is made. Unlike those of an
// Envelope they keep what a decoder would replace, so that two are equal only if
// they were sent as such.
type Exact struct {
	EventID, ID, InnerID string
	AgentID, ProjectID   string
	Names                Names
}

// ExactOf reads the texts of a body that has been decoded without an error.
func ExactOf(body []byte) Exact {
	var w looseLayout
	if jsonv2.Unmarshal(body, &w, tolerant) != nil {
		return Exact{}
	}
	e := Exact{
		EventID: exactScalar(w.EventID), ID: exactScalar(w.ID),
		AgentID: exactScalar(w.AgentID), ProjectID: exactScalar(w.ProjectID),
		Names: Names{exactName(w.EventType), exactName(w.Type), exactName(w.Event)},
	}
	value, _ := w.content()
	var inner struct {
		ID        jsontext.Value `json:"id"`
		AgentID   jsontext.Value `json:"agent_id"`
		ProjectID jsontext.Value `json:"project_id"`
	}
	if object := unwrap(value); object.Kind() == '{' && jsonv2.Unmarshal(object, &inner, tolerant) == nil {
		e.InnerID = exactScalar(inner.ID)
		if e.AgentID == "" {
			e.AgentID = exactScalar(inner.AgentID)
		}
		if e.ProjectID == "" {
			e.ProjectID = exactScalar(inner.ProjectID)
		}
	}
	return e
}

func exactName(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	return exactText(v)
}

func exactScalar(v jsontext.Value) string {
	if kind := v.Kind(); len(v) == 0 || kind != '"' && kind != '0' {
		return ""
	}
	return exactText(v)
}

// PayloadDigest returns a digest of the content of a body: of the value under "data"
// or "payload", else of the body without the fields that name its type. White space,
// the order of keys and the way a text is escaped do not change it.
func PayloadDigest(body []byte) [sha256.Size]byte {
	var w looseLayout
	if jsonv2.Unmarshal(body, &w, tolerant) == nil {
		if value, _ := w.content(); value != nil {
			return sha256.Sum256(canonical(value))
		}
	}
	return sha256.Sum256(canonical(withoutNames(body)))
}

// canonical returns a value in a form that does not depend on how it was written.
// Numbers stay as they are: two that differ beyond a float's precision differ.
func canonical(value jsontext.Value) []byte {
	c := value.Clone()
	if c.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)) != nil {
		return value // half a surrogate pair, which the canonical form would lose
	}
	return c
}

// withoutNames returns an object without the fields that name the type.
func withoutNames(body []byte) jsontext.Value {
	dec := jsontext.NewDecoder(bytes.NewReader(body), tolerant)
	if _, err := dec.ReadToken(); err != nil {
		return body
	}
	out := []byte{'{'}
	for dec.PeekKind() == '"' {
		key, err := dec.ReadValue()
		if err != nil {
			return body
		}
		key = key.Clone()
		value, err := dec.ReadValue()
		if err != nil {
			return body
		}
		switch string(key) {
		case `"event_type"`, `"type"`, `"event"`:
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}')
}

// IsPlaceholder reports whether an id is what senders write if they have no id, such
// as "null": many events have it, so it identifies none of them.
func IsPlaceholder(id string) bool {
	if len(id) > 0 {
		if c := id[0] | 0x20; 'a' <= c && c <= 'z' && c != 'n' && c != 'u' {
			return false // no placeholder begins like this, and most ids do
		}
	}
	core := strings.Trim(id, "0-+.{} \t\r\n") // the nil UUID is zeros and hyphens
	switch {
	case core == "":
		return true
	case len(core) > len("undefined"):
		return core[0]|0x20 == 'u' && strings.Trim(strings.TrimPrefix(strings.ToLower(core), "urn:uuid:"), "0-") == "" ||
			core[0] >= utf8.RuneSelf && strings.TrimSpace(core) == ""
	}
	switch strings.ToLower(strings.TrimSpace(id)) {
	case "", "null", "undefined", "unknown", "none", "nil", "<nil>", "nan", "urn:uuid:":
		return true
	}
	return false
}
