package sonzaihook

import (
	"errors"
	"math"
	"strconv"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The lenient way through a body. Its JSON is sound but some value is not of the
// type that was assumed, and an assumption is no reason to refuse a delivery: a
// number may stand where a string was expected, a string where a number was, and
// a time may be written in any way. Only what cannot be read at all is refused.

// looseWire is a body of which nothing is assumed but that it is an object.
type looseWire struct {
	EventType jsontext.Value `json:"event_type"`
	Type      jsontext.Value `json:"type"`
	Event     jsontext.Value `json:"event"`
	EventID   jsontext.Value `json:"event_id"`
	ID        jsontext.Value `json:"id"`
	AgentID   jsontext.Value `json:"agent_id"`
	UserID    jsontext.Value `json:"user_id"`
	ProjectID jsontext.Value `json:"project_id"`
	CreatedAt jsontext.Value `json:"created_at"`
	Timestamp jsontext.Value `json:"timestamp"`
	Data      jsontext.Value `json:"data"`
	Payload   jsontext.Value `json:"payload"`
}

func (w *looseWire) envelope() envelope {
	return envelope{
		EventType: looseName(w.EventType),
		Type:      looseName(w.Type),
		Event:     looseName(w.Event),
		EventID:   looseText(w.EventID),
		ID:        looseText(w.ID),
		AgentID:   looseText(w.AgentID),
		UserID:    looseText(w.UserID),
		ProjectID: looseText(w.ProjectID),
		CreatedAt: looseTime(w.CreatedAt),
		Timestamp: looseTime(w.Timestamp),
	}
}

// object returns the payload where that is an object of its own, else nil.
func (w *looseWire) object() jsontext.Value {
	for _, v := range []jsontext.Value{w.Data, w.Payload} {
		if v.Kind() == '{' {
			return v
		}
	}
	return nil
}

// value returns the payload where there is one of any kind but null, else nil.
func (w *looseWire) value() jsontext.Value {
	for _, v := range []jsontext.Value{w.Data, w.Payload} {
		if len(v) > 0 && v.Kind() != 'n' {
			return v
		}
	}
	return nil
}

// decodeLenient decodes a body that the strict way refused for the given reason.
func decodeLenient[T any](body []byte, strict error) (decoded, error) {
	var semantic *jsonv2.SemanticError
	if !errors.As(strict, &semantic) {
		return decoded{}, undecodable(strict)
	}
	var w looseWire
	if err := jsonv2.Unmarshal(body, &w); err != nil {
		return decoded{}, undecodable(err)
	}
	event, env := &Event[T]{}, w.envelope()
	content := w.value()
	if _, own := any(&event.Data).(payload); own {
		content = w.object()
	}
	if content == nil {
		content = body
	} else if content.Kind() == '{' {
		var in inner
		if err := jsonv2.Unmarshal(content, &in, lenient); err == nil {
			env.adopt(&in)
		}
	}
	if err := jsonv2.Unmarshal(content, &event.Data, lenient); err != nil {
		return decoded{}, undecodable(err)
	}
	return finish(event, &env), nil
}

// lenient makes the decoder take scalars for one another.
var lenient = jsonv2.WithUnmarshalers(jsonv2.JoinUnmarshalers(
	scalar(func(v jsontext.Value) (string, bool) {
		return looseText(v), v.Kind() == '0'
	}),
	scalar(func(v jsontext.Value) (float64, bool) {
		f, err := strconv.ParseFloat(looseText(v), 64)
		return f, err == nil
	}),
	scalar(func(v jsontext.Value) (int, bool) {
		f, err := strconv.ParseFloat(looseText(v), 64)
		return int(f), err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53
	}),
	scalar(func(v jsontext.Value) (bool, bool) {
		b, err := strconv.ParseBool(looseText(v))
		return b, err == nil
	}),
	scalar(func(v jsontext.Value) (time.Time, bool) {
		return looseTime(v), true
	}),
))

// scalar returns an unmarshaler that reads a string or a number with parse, and
// leaves every other value, and what parse does not know, to the decoder.
func scalar[T any](parse func(jsontext.Value) (T, bool)) *jsonv2.Unmarshalers {
	return jsonv2.UnmarshalFromFunc(func(dec *jsontext.Decoder, to *T) error {
		if kind := dec.PeekKind(); kind != '"' && kind != '0' {
			return errors.ErrUnsupported
		}
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		parsed, ok := parse(v)
		if !ok {
			return jsonv2.Unmarshal(v, to)
		}
		*to = parsed
		return nil
	})
}

// looseName returns a type's name, which can only be a string.
func looseName(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	return looseText(v)
}

// looseText returns the text of a string, or of a number as it is written.
func looseText(v jsontext.Value) string {
	switch v.Kind() {
	case '0':
		return string(v)
	case '"':
		text, _ := jsontext.AppendUnquote(nil, v)
		return string(text)
	}
	return ""
}

// looseTime reads RFC 3339, its usual relatives, and Unix time in seconds or
// milliseconds. Anything else is the zero time.
func looseTime(v jsontext.Value) time.Time {
	text := looseText(v)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly, time.RFC1123} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	unix, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || unix <= 0 || unix >= 1e15:
		return time.Time{}
	case unix >= 1e11:
		return time.UnixMilli(int64(unix)).UTC()
	}
	return time.Unix(int64(unix), 0).UTC()
}
