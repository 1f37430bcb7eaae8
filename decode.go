package sonzaihook

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A body is decoded once, straight into the envelope and the payload of its
// type. Only a body whose values have unexpected types goes a second, lenient
// way (lenient.go), because nothing public says which types they have.

// envelope is what stands around a payload, under every name that was seen.
type envelope struct {
	EventType string    `json:"event_type"`
	Type      string    `json:"type"`
	Event     string    `json:"event"`
	EventID   string    `json:"event_id"`
	ID        string    `json:"id"`
	AgentID   string    `json:"agent_id"`
	UserID    string    `json:"user_id"`
	ProjectID string    `json:"project_id"`
	CreatedAt time.Time `json:"created_at"`
	Timestamp time.Time `json:"timestamp"`

	inner inner // of the payload, where that is an object of its own
}

func (e *envelope) name() string { return cmp.Or(e.EventType, e.Type, e.Event) }

func (e *envelope) eventID() string { return cmp.Or(e.EventID, e.ID) }

// adopt takes what the envelope lacks from the payload.
func (e *envelope) adopt(in *inner) {
	e.AgentID = cmp.Or(e.AgentID, in.AgentID)
	e.UserID = cmp.Or(e.UserID, in.UserID)
	e.ProjectID = cmp.Or(e.ProjectID, in.ProjectID)
	e.inner = *in
}

// inner is what the REST shapes carry in the payload itself. The documentation's
// polling example has a message's id and check type under the short names.
type inner struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	AgentID   string `json:"agent_id"`
	UserID    string `json:"user_id"`
	ProjectID string `json:"project_id"`
}

// wire is a whole body: P is what stands under "data" or "payload", F is what
// stands beside the envelope's fields. Both layouts decode into it at once.
type wire[P, F any] struct {
	Envelope envelope   `json:",embed"`
	Data     section[P] `json:"data"`
	Payload  section[P] `json:"payload"`
	Flat     flat[F]    `json:",embed"`
}

// section is a value that knows whether it was there. A pointer would know too,
// and cost an allocation.
type section[P any] struct {
	value P
	there bool
}

// UnmarshalJSONFrom implements the decoder's interface. A null is not there.
func (s *section[P]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	s.there = dec.PeekKind() != 'n'
	return jsonv2.UnmarshalDecode(dec, &s.value)
}

// flat puts the payload's fields one level deeper than the envelope's, which
// therefore win where both have a name.
type flat[F any] struct {
	Fields F `json:",embed"`
}

// nested is a payload in an object of its own.
type nested[T any] struct {
	Inner  inner `json:",embed"`
	Fields T     `json:",embed"`
}

// nested returns the payload where it stands in an object of its own, else nil.
func (w *wire[P, F]) nested() *P {
	switch {
	case w.Data.there:
		return &w.Data.value
	case w.Payload.there:
		return &w.Payload.value
	}
	return nil
}

// decoded is an event with what only the receiver needs of it.
type decoded struct {
	event placed // *Event[T]
	name  string // the type on the wire, empty where the body has none
	id    string // the envelope's event id
	key   string // the payload's natural key
}

// placed is an event of any T, to be told of the delivery that it came in.
type placed interface {
	place(d *Delivery, id string)
	subject() any
}

func (e *Event[T]) place(d *Delivery, id string) {
	e.ID, e.Type, e.Name, e.Source, e.Raw = cmp.Or(id, d.ID), d.Type, d.Name, d.Source, d.Body
}

// shape decodes bodies into events of one T. Callbacks of the same T share it.
type shape struct {
	typ    reflect.Type
	decode func(body []byte) (decoded, error)
}

// newShape returns the shape for T. One of the six payload structs is decoded
// from both layouts in one pass. Of another T nothing is known, so where its
// fields stand beside the envelope's the body is read a second time.
func newShape[T any]() *shape {
	decode := decodeForeign[T]
	if _, own := any(new(T)).(payload); own {
		decode = decodeOwn[T](&sync.Pool{New: func() any { return new(wire[nested[T], T]) }})
	}
	return &shape{typ: reflect.TypeFor[T](), decode: decode}
}

func decodeOwn[T any](wires *sync.Pool) func([]byte) (decoded, error) {
	return func(body []byte) (decoded, error) {
		w := wires.Get().(*wire[nested[T], T])
		defer func() {
			*w = wire[nested[T], T]{}
			wires.Put(w)
		}()
		if err := jsonv2.Unmarshal(body, w); err != nil {
			return decodeLenient[T](body, err)
		}
		event := &Event[T]{Data: w.Flat.Fields}
		if in := w.nested(); in != nil {
			event.Data = in.Fields
			w.Envelope.adopt(&in.Inner)
		}
		return finish(event, &w.Envelope), nil
	}
}

func decodeForeign[T any](body []byte) (decoded, error) {
	var w wire[T, struct{}]
	if err := jsonv2.Unmarshal(body, &w); err != nil {
		return decodeLenient[T](body, err)
	}
	event := &Event[T]{}
	if in := w.nested(); in != nil {
		event.Data = *in
	} else if err := jsonv2.Unmarshal(body, &event.Data); err != nil {
		return decodeLenient[T](body, err)
	}
	return finish(event, &w.Envelope), nil
}

// finish fills in the event around its payload.
func finish[T any](event *Event[T], env *envelope) decoded {
	d := decoded{event: event, name: env.name(), id: env.eventID()}
	if p, own := any(&event.Data).(payload); own {
		p.complete(env)
		d.key = p.naturalKey()
	}
	event.AgentID, event.UserID, event.ProjectID = env.AgentID, env.UserID, env.ProjectID
	event.CreatedAt = firstTime(env.CreatedAt, env.Timestamp)
	return d
}

// undecodable describes a decoder's error without any text of the body, which
// the decoder's own message would quote.
func undecodable(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		what := "malformed JSON"
		if errors.Is(err, jsontext.ErrDuplicateName) {
			what = "duplicate key"
		}
		return fmt.Errorf("%w: %s at byte %d", ErrUndecodable, what, syntax.ByteOffset)
	}
	var semantic *jsonv2.SemanticError
	if errors.As(err, &semantic) {
		return fmt.Errorf("%w: JSON %v does not fit %v at byte %d",
			ErrUndecodable, semantic.JSONKind, semantic.GoType, semantic.ByteOffset)
	}
	return fmt.Errorf("%w: its payload refuses to be decoded", ErrUndecodable)
}

var errNoType = fmt.Errorf("%w: no event type", ErrUndecodable)

// isObject reports whether a body starts like a JSON object. The decoder sees
// to the rest; an array or a null it would take for an empty event.
func isObject(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{'
}
