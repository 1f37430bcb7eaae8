package sonzaihook

import (
	"encoding/json"
	"reflect"
	"slices"
	"sync"

	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// How a body becomes an event: its envelope is read once, its payload once for each
// T that callbacks take.

// anyEvent is an *Event of any T.
type anyEvent interface {
	// place sets what the event takes from the delivery.
	place(d *Delivery, m *message)
	// subject returns what there is to validate, or nil.
	subject() any
}

func (e *Event[T]) place(d *Delivery, m *message) {
	e.ID, e.Type, e.Name, e.Source = m.eventID(d.ID), d.Type, d.Name, d.Source
	e.Raw, e.Misfit = m.body, m.misfit
	if d.Project != "" {
		e.ProjectID = d.Project
	}
}

// message is a body whose envelope is decoded, or is about to be.
type message struct {
	body    []byte // the JSON, without a byte order mark
	env     wire.Envelope
	read    bool     // the envelope is decoded
	misfit  []string // fields that did not fit
	key     string   // the natural key of the payload
	content []byte   // the payload, where no documented struct took it; nil if not looked for
}

// messages is a pool: an event copies what it keeps.
var messages = sync.Pool{New: func() any { return new(message) }}

func newMessage(body []byte) *message {
	m := messages.Get().(*message)
	m.body = wire.JSON(body)
	return m
}

func (m *message) release() {
	*m = message{}
	messages.Put(m)
}

// decoder makes events of one T.
type decoder struct {
	typ    reflect.Type
	of     EventType // the documented type whose struct T is, if it is one
	decode func(m *message) (anyEvent, error)
}

// newDecoder returns the decoder of a documented type. complete fills the fields
// that have other names or are in the envelope, and returns the natural key.
func newDecoder[T any](of EventType, complete func(*Event[T], *wire.Envelope) (key string)) *decoder {
	layouts := wire.NewLayouts[T]()
	return &decoder{typ: reflect.TypeFor[T](), of: of, decode: func(m *message) (anyEvent, error) {
		e := &Event[T]{}
		var err error
		if m.misfit, err = layouts.Decode(m.body, &m.env, &e.Data); err != nil {
			return nil, err
		}
		m.read = true
		e.envelope(&m.env)
		m.key = complete(e, &m.env)
		return e, nil
	}}
}

// newCustomDecoder returns a decoder of a T that the user has chosen.
func newCustomDecoder[T any]() *decoder {
	return &decoder{typ: reflect.TypeFor[T](), decode: func(m *message) (anyEvent, error) {
		if err := m.findContent(); err != nil {
			return nil, err
		}
		e := &Event[T]{}
		e.envelope(&m.env)
		return e, wire.DecodeCustom(m.content, &e.Data)
	}}
}

// rawDecoder does not decode the payload.
var rawDecoder = &decoder{typ: reflect.TypeFor[json.RawMessage](), decode: func(m *message) (anyEvent, error) {
	if err := m.findContent(); err != nil {
		return nil, err
	}
	e := &Event[json.RawMessage]{Data: slices.Clone(m.content)}
	e.envelope(&m.env)
	return e, nil
}}

// findContent finds the payload of a body whose envelope may be decoded already.
func (m *message) findContent() error {
	if m.content != nil {
		return nil
	}
	var env wire.Envelope
	content, misfit, err := wire.DecodeEnvelope(m.body, &env)
	if err != nil {
		return err
	}
	m.content = content
	if !m.read {
		m.env, m.misfit, m.read = env, misfit, true
	}
	return nil
}

// eventID returns the envelope's id, or the given identity where it has none.
func (m *message) eventID(identity string) string {
	for _, id := range []string{m.env.EventID, m.env.ID} {
		if !wire.IsPlaceholder(id) {
			return id
		}
	}
	return identity
}

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
