package sonzaihook

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// How a body becomes an event: its envelope is read once, its payload once for each
// T that callbacks take.

// anyEvent is an *Event of any T.
type anyEvent interface {
	// place sets what the event takes from the delivery.
	place(d *Delivery, m *wire.Message)
	// subject returns what there is to validate, or nil.
	subject() any
}

func (e *Event[T]) place(d *Delivery, m *wire.Message) {
	e.ID, e.Type, e.Name, e.Source = cmp.Or(m.EventID(), d.ID), d.Type, d.Name, d.Source
	e.Raw, e.Misfit = m.Body, m.Misfit
	if d.Project != "" {
		e.ProjectID = d.Project
	}
}

// decoder makes events of one T.
type decoder struct {
	typ    reflect.Type
	of     EventType // the documented type whose struct T is, if it is one
	decode func(m *wire.Message) (anyEvent, error)
}

// newDecoder returns the decoder of a documented type. complete fills the fields
// that have other names or are in the envelope, and returns the natural key.
func newDecoder[T any](of EventType, complete func(*Event[T], *wire.Envelope) (key string)) *decoder {
	layouts := wire.NewLayouts[T]()
	return &decoder{typ: reflect.TypeFor[T](), of: of, decode: func(m *wire.Message) (anyEvent, error) {
		e := &Event[T]{}
		if err := layouts.Decode(m, &e.Data); err != nil {
			return nil, err
		}
		e.envelope(&m.Env)
		m.Key = complete(e, &m.Env)
		return e, nil
	}}
}

// newCustomDecoder returns a decoder of a T that the user has chosen.
func newCustomDecoder[T any]() *decoder {
	return &decoder{typ: reflect.TypeFor[T](), decode: func(m *wire.Message) (anyEvent, error) {
		if err := m.FindContent(); err != nil {
			return nil, err
		}
		e := &Event[T]{}
		e.envelope(&m.Env)
		return e, wire.DecodeCustom(m.Content, &e.Data)
	}}
}

// rawDecoder does not decode the payload.
var rawDecoder = &decoder{typ: reflect.TypeFor[json.RawMessage](), decode: func(m *wire.Message) (anyEvent, error) {
	if err := m.FindContent(); err != nil {
		return nil, err
	}
	e := &Event[json.RawMessage]{Data: slices.Clone(m.Content)}
	e.envelope(&m.Env)
	return e, nil
}}

func (e *Event[T]) envelope(env *wire.Envelope) {
	e.AgentID, e.UserID, e.ProjectID, e.CreatedAt = env.AgentID, env.UserID, env.ProjectID, env.Time()
}

// isWakeup reports whether a payload has an object under "wakeup". One of the
// platform's demos shows such a delivery, and it has no type.
func isWakeup(content []byte) bool {
	var w struct {
		Wakeup json.RawMessage `json:"wakeup"`
	}
	return wire.DecodeCustom(content, &w) == nil && wire.IsObject(w.Wakeup)
}
