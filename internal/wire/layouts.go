package wire

import (
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// layout is a whole body: P is what stands under "data" or "payload", F is what
// is beside the envelope's fields. Both layouts decode into it at once.
type layout[P, F any] struct {
	Envelope Envelope   `json:",embed"`
	Data     section[P] `json:"data"`
	Payload  section[P] `json:"payload"`
	Flat     flat[F]    `json:",embed"`
}

// section is a value that records whether it was present. A pointer would need an
// allocation.
type section[P any] struct {
	value P
	there bool
}

// UnmarshalJSONFrom implements the decoder's interface. A null counts as absent.
func (s *section[P]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	s.there = dec.PeekKind() != 'n'
	return jsonv2.UnmarshalDecode(dec, &s.value)
}

// flat embeds the payload's fields one level deeper than the envelope's, which
// therefore win where both have the same name.
type flat[F any] struct {
	Fields F `json:",embed"`
}

// nested is a payload in an object within the body.
type nested[T any] struct {
	Inner  Inner `json:",embed"`
	Fields T     `json:",embed"`
}

// Layouts decodes bodies whose payload is a T, a struct. Make one with NewLayouts.
// It is safe for concurrent use.
type Layouts[T any] struct{ pool sync.Pool }

// NewLayouts returns Layouts of a T.
func NewLayouts[T any]() *Layouts[T] {
	return &Layouts[T]{pool: sync.Pool{New: func() any { return new(layout[nested[T], T]) }}}
}

// Decode decodes the envelope of a message, and its payload into data, in either
// layout. A value that does not fit leaves its field zero. The error wraps
// ErrUndecodable. What Decode sets does not alias the body.
func (l *Layouts[T]) Decode(m *Message, data *T) (err error) {
	m.Misfit, err = l.decode(m.Body, &m.Env, data)
	m.read = err == nil
	return err
}

func (l *Layouts[T]) decode(body []byte, env *Envelope, data *T) (misfit []string, err error) {
	w := l.pool.Get().(*layout[nested[T], T])
	defer func() {
		*w = layout[nested[T], T]{}
		l.pool.Put(w)
	}()
	if err := jsonv2.Unmarshal(body, w); err != nil {
		return decodeLenient(body, env, data, err)
	}
	*env, *data = w.Envelope, w.Flat.Fields
	switch {
	case w.Data.there:
		*data = w.Data.value.Fields
		env.adopt(&w.Data.value.Inner)
	case w.Payload.there:
		*data = w.Payload.value.Fields
		env.adopt(&w.Payload.value.Inner)
	}
	return nil, nil
}

// decodeEnvelope decodes the envelope of a body whose payload may be anything, and
// returns the payload: the value under "data" or "payload", else the
// whole body. The value aliases body only where it is the whole body.
func decodeEnvelope(body []byte, env *Envelope) (content []byte, misfit []string, err error) {
	var w layout[jsontext.Value, struct{}]
	if err := jsonv2.Unmarshal(body, &w); err != nil {
		return decodeLooseEnvelope(body, env, err)
	}
	*env = w.Envelope
	value := w.Data.value
	if !w.Data.there {
		value = w.Payload.value
	}
	if len(value) == 0 || value.Kind() == 'n' {
		return body, nil, nil
	}
	adoptFrom(env, unwrap(value))
	return value, nil, nil
}

// DecodeCustom decodes the payload of a body, as Message.FindContent has found it, into
// a T of any type. The error wraps ErrMisfit and names the fields.
func DecodeCustom[T any](content []byte, data *T) error {
	err := jsonv2.Unmarshal(content, data)
	if err == nil {
		return nil
	}
	var again T
	c := &loosening{custom: true}
	if unwrapped := unwrap(content); len(unwrapped) > 0 && c.decode(unwrapped, &again) == nil && len(c.misfit) == 0 {
		*data = again
		return nil
	}
	return customError[T](err, c.misfit)
}
