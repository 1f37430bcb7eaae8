package sonzaihook

import (
	"fmt"
	"reflect"

	"github.com/sonzaihook/sonzaihook/internal/usercode"
	"github.com/sonzaihook/sonzaihook/internal/wire"
)

// Finding the type and the identity of an authentic delivery, and decoding the events
// that the callbacks of its type take.

var errNoType = fmt.Errorf("%w: no event type", ErrUndecodable)

// prepare decodes and validates. Both call user code, which may panic.
func (s *settings) prepare(in *inbound, table *routeTable) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = usercode.Recovered(v)
		}
	}()
	if err := s.resolve(in, table); err != nil {
		return err
	}
	return s.validate(in)
}

// resolve decodes the delivery once for each T that its callbacks take.
func (s *settings) resolve(in *inbound, table *routeTable) error {
	d := &in.Delivery
	in.sent, in.route = d.Body, noRoute
	in.about = about{source: d.Source, project: d.Project}
	m := wire.NewMessage(d.Body)
	defer m.Release()
	if !wire.IsObject(m.Body) {
		return fmt.Errorf("%w: not a JSON object", ErrUndecodable)
	}
	expected, err := s.expectedType(in, m)
	if err != nil {
		return err
	}
	// The dead letter of an event that cannot be decoded needs its type, too.
	in.about.typ, d.Type = expected, expected
	route := table.find(expected)
	first := firstDecoder(route, expected)
	event, err := first.decode(m)
	if err != nil {
		return err
	}
	if err := s.identify(in, expected, m); err != nil {
		return err
	}
	in.misfit = m.Misfit
	in.events = in.first[:0] // most routes have one decoder
	for _, dec := range route.decoders {
		e := event
		if dec.typ != first.typ {
			if e, err = dec.decode(m); err != nil {
				return err
			}
		}
		e.place(d, m)
		in.events = append(in.events, e)
	}
	in.route = route
	return nil
}

// firstDecoder returns the decoder that reads the envelope: one of the route's that
// can, else rawDecoder.
func firstDecoder(rt *route, typ EventType) *decoder {
	for _, dec := range rt.decoders {
		if dec == rawDecoder || dec.of == typ && typ != "" {
			return dec
		}
	}
	if row := byName[string(typ)]; row != nil && len(rt.decoders) == 0 {
		return row.decoder
	}
	return rawDecoder
}

// expectedType returns the type under which a delivery is decoded: the one given to
// Dispatch, else the one that was peeked, else the one that the decoder reads, else
// that of the secret. A URL is not signed, so it is never used.
func (s *settings) expectedType(in *inbound, m *wire.Message) (EventType, error) {
	if in.Delivery.Type != "" {
		return canonical(in.Delivery.Type), nil
	}
	if in.peeked != "" {
		return in.peeked, nil
	}
	if _, err := rawDecoder.decode(m); err != nil {
		in.about.typ = EventType(peekName(m.Body))
		in.Delivery.Type = in.about.typ
		return "", err
	}
	t := canonical(m.Env.Names().Choose(isDocumentedName))
	switch {
	case t != "":
	case in.signed() && in.key.Exclusive():
		t = EventType(in.key.Type)
	case isWakeup(m.Content):
		t = EventWakeup
	default:
		return "", errNoType
	}
	if in.signed() && !in.key.Allows(string(t)) {
		return "", ErrSecretOfOtherType
	}
	return t, nil
}

// peekName returns the name of the type if it can be read without decoding.
func peekName(body []byte) string {
	p, ok := wire.Peek(body, false)
	if !ok {
		return ""
	}
	return string(peekedType(&p))
}

// peekedType returns the type that the peeked names of a body mean. It allocates
// only for a type that is not documented.
func peekedType(p *wire.Peeked) EventType {
	if row := byName[string(p.EventType)]; row != nil {
		return row.typ
	}
	return canonical(wire.Names{EventType: string(p.EventType), Type: string(p.Type), Event: string(p.Event)}.Choose(isDocumentedName))
}

// identify sets the type, the name and the identity of a delivery. A delivery
// that was handed to Dispatch may have them already.
func (s *settings) identify(in *inbound, expected EventType, m *wire.Message) error {
	d, name := &in.Delivery, m.Env.Names().Choose(isDocumentedName)
	same := name == string(expected) || canonical(name) == expected
	if in.peeked != "" && !same {
		return fmt.Errorf("%w: its type reads in two ways", ErrUndecodable)
	}
	if d.Name == "" {
		d.Name = string(expected)
		if same {
			d.Name = name
		}
	}
	d.Type = expected
	if d.ID == "" {
		d.ID, _ = identity(d, m)
		if s.identity != nil {
			d.natural = naturalKey(d.Type, m)
			if id := s.identity(d); id != "" {
				d.ID = id
			}
		}
	}
	d.ID = wire.Shorten(d.ID)
	in.about.typ, in.about.id = d.Type, d.ID
	return nil
}

// validate asks the validator about every event of a delivery.
func (s *settings) validate(in *inbound) error {
	if s.validator == nil {
		return nil
	}
	for _, event := range in.events {
		subject := event.subject()
		if subject == nil {
			continue
		}
		if err := s.validator.Struct(subject); err != nil {
			if end := callbackEnding(err); end.row == panicked {
				return end.err
			}
			return usercode.Because(ErrInvalid, usercode.Text(err), err)
		}
	}
	return nil
}

// subjectOf is what a validator is given for an event of a documented type. The
// payload is embedded, because in the body it may be under "data", under "payload" or
// next to the agent's id.
type subjectOf[T any] struct {
	AgentID string `json:"agent_id" validate:"required"`
	Data    *T     `json:",embed"`
}

// subject returns what there is to validate of an event, or nil. Wakeups were seen
// without an agent id, so they need none.
func (e *Event[T]) subject() any {
	switch data := any(&e.Data).(type) {
	case *Wakeup:
		return data
	case *Message, *MoodChange, *MemoryAdded, *Breakthrough, *Consolidation:
		return &subjectOf[T]{AgentID: e.AgentID, Data: &e.Data}
	}
	v := reflect.ValueOf(&e.Data)
	for v.Elem().Kind() == reflect.Pointer && !v.Elem().IsNil() {
		v = v.Elem()
	}
	if v.Elem().Kind() != reflect.Struct {
		return nil
	}
	return v.Interface()
}
