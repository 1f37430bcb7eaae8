package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The second pass through a body. Its JSON is valid but a value does not have the type
// that was assumed, and an assumption is no reason to refuse a delivery: a number may
// be sent for a string, a string for a number, and a time in any format. A value that
// still does not fit leaves its field zero.

// looseLayout is a body of which nothing is assumed except that it is an object.
type looseLayout struct {
	EventType  jsontext.Value `json:"event_type"`
	Type       jsontext.Value `json:"type"`
	Event      jsontext.Value `json:"event"`
	EventID    jsontext.Value `json:"event_id"`
	ID         jsontext.Value `json:"id"`
	AgentID    jsontext.Value `json:"agent_id"`
	UserID     jsontext.Value `json:"user_id"`
	ProjectID  jsontext.Value `json:"project_id"`
	CreatedAt  jsontext.Value `json:"created_at"`
	Timestamp  jsontext.Value `json:"timestamp"`
	OccurredAt jsontext.Value `json:"occurred_at"`
	Data       jsontext.Value `json:"data"`
	Payload    jsontext.Value `json:"payload"`
}

// readLoose reads a body that the first pass refused for the given reason.
func readLoose(body []byte, reason error) (*looseLayout, error) {
	if !utf8.Valid(body) {
		return nil, undecodable(reason)
	}
	var w looseLayout
	if err := jsonv2.Unmarshal(body, &w, tolerant); err != nil {
		return nil, undecodable(err)
	}
	if kind := w.EventType.Kind(); len(w.EventType) > 0 && kind != '"' && kind != 'n' {
		return nil, fmt.Errorf("%w: event_type is not a string", ErrUndecodable)
	}
	return &w, nil
}

// envelope returns the envelope, and the names of fields that did not fit.
func (w *looseLayout) envelope() (env Envelope, misfit []string) {
	env = Envelope{EventType: nameOf(w.EventType), Type: nameOf(w.Type), Event: nameOf(w.Event), Loose: true}
	for _, field := range []struct {
		name  string
		value jsontext.Value
		to    *string
	}{
		{"event_id", w.EventID, &env.EventID}, {"id", w.ID, &env.ID}, {"agent_id", w.AgentID, &env.AgentID},
		{"user_id", w.UserID, &env.UserID}, {"project_id", w.ProjectID, &env.ProjectID},
	} {
		text, ok := looseText(field.value)
		if *field.to = text; !ok && isThere(field.value) {
			misfit = append(misfit, field.name)
		}
	}
	for _, field := range []struct {
		name  string
		value jsontext.Value
		to    *time.Time
	}{
		{"created_at", w.CreatedAt, &env.CreatedAt}, {"timestamp", w.Timestamp, &env.Timestamp},
		{"occurred_at", w.OccurredAt, &env.OccurredAt},
	} {
		at, ok := looseTime(field.value)
		if *field.to = at; !ok && isThere(field.value) {
			misfit = append(misfit, field.name)
		}
	}
	return env, misfit
}

func isThere(v jsontext.Value) bool { return len(v) > 0 && v.Kind() != 'n' }

// nameOf returns a type's name, which can only be a string.
func nameOf(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	s, _ := looseText(v)
	return s
}

// content returns the payload where there is one of any kind but null, and its
// name; else nil.
func (w *looseLayout) content() (jsontext.Value, string) {
	if len(w.Data) > 0 && w.Data.Kind() != 'n' {
		return w.Data, "data"
	}
	if len(w.Payload) > 0 && w.Payload.Kind() != 'n' {
		return w.Payload, "payload"
	}
	return nil, ""
}

// object returns the payload where that is an object, also one in a string or in an
// array of one element; else the whole body, and the name of the value that is no
// object.
func (w *looseLayout) object(body []byte) (object jsontext.Value, isNested bool, misfit string) {
	value, name := w.content()
	if value == nil {
		return body, false, ""
	}
	if inner := unwrap(value); inner.Kind() == '{' {
		return inner, true, ""
	}
	return body, false, name
}

// maxWraps is how often a payload may be wrapped in a string or an array.
const maxWraps = 3

// unwrap returns the value that is encoded in a string, or is the only element of
// an array. It returns any other value unchanged.
func unwrap(value jsontext.Value) jsontext.Value {
	for range maxWraps {
		var inner jsontext.Value
		switch value.Kind() {
		case '"':
			text, err := jsontext.AppendUnquote(nil, value)
			if inner = bytes.TrimSpace(JSON(text)); err != nil || len(inner) == 0 || inner[0] != '{' && inner[0] != '[' && inner[0] != '"' || !inner.IsValid(tolerant) {
				return value
			}
		case '[':
			var elements []jsontext.Value
			if jsonv2.Unmarshal(value, &elements, tolerant) != nil || len(elements) != 1 {
				return value
			}
			inner = elements[0]
		default:
			return value
		}
		value = inner
	}
	return value
}

func decodeLenient[T any](body []byte, env *Envelope, data *T, reason error) ([]string, error) {
	w, err := readLoose(body, reason)
	if err != nil {
		return nil, err
	}
	var misfit []string
	*env, misfit = w.envelope()
	object, isNested, wrong := w.object(body)
	if wrong != "" {
		misfit = append(misfit, wrong)
	}
	if isNested {
		adoptFrom(env, object)
	}
	l := &loosening{misfit: misfit}
	if err := l.decode(object, data); err != nil {
		return nil, undecodable(err)
	}
	return l.misfit, nil
}

func decodeLooseEnvelope(body []byte, env *Envelope, reason error) ([]byte, []string, error) {
	w, err := readLoose(body, reason)
	if err != nil {
		return nil, nil, err
	}
	var misfit []string
	*env, misfit = w.envelope()
	value, _ := w.content()
	if value == nil {
		return body, misfit, nil
	}
	adoptFrom(env, unwrap(value))
	return value, misfit, nil
}

// adoptFrom adopts what the payload says of the envelope, if it is an object.
func adoptFrom(env *Envelope, value jsontext.Value) {
	if value.Kind() != '{' {
		return
	}
	var in Inner
	if jsonv2.Unmarshal(value, &in) != nil {
		in = Inner{}
		if (&loosening{}).decode(value, &in) != nil {
			return
		}
	}
	env.adopt(&in)
}

// customError names the fields of a T that do not fit, and never their values.
func customError[T any](reason error, misfit []string) error {
	typ := reflect.TypeFor[T]()
	if len(misfit) > 0 {
		return fmt.Errorf("%w %v: %s", ErrMisfit, typ, strings.Join(misfit, ", "))
	}
	var semantic *jsonv2.SemanticError
	if errors.As(reason, &semantic) {
		name := dotted(semantic.JSONPointer)
		if name == "" {
			name = "the value itself"
		}
		return fmt.Errorf("%w %v: %s is a JSON %v", ErrMisfit, typ, name, semantic.JSONKind)
	}
	return fmt.Errorf("%w %v: it refuses to be decoded", ErrMisfit, typ)
}
