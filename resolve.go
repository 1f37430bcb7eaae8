package sonzaihook

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
)

// Which event an authentic delivery is: its type, its identity, and the events
// that the callbacks of its type take.

// resolve decodes the delivery once for each T that its callbacks take. Without
// callbacks it is decoded all the same, so that what is refused does not depend
// on who listens, and has no events then.
func (r *Receiver) resolve(d *Delivery, table *routeTable) error {
	if !isObject(d.Body) {
		return fmt.Errorf("%w: not a JSON object", ErrUndecodable)
	}
	expected, err := expectedType(d)
	if err != nil {
		return err
	}
	d.events = d.first[:0] // most routes have one shape
	route, shapes := table.find(expected), unheard
	if route != nil {
		shapes = route.shapes
	}
	for i, s := range shapes {
		decoded, err := s.decode(d.Body)
		if err != nil {
			return err
		}
		if i == 0 {
			if err := r.identify(d, expected, decoded); err != nil {
				return err
			}
		}
		if route != nil {
			decoded.event.place(d, decoded.id)
			d.events = append(d.events, decoded.event)
		}
	}
	d.route = route
	return nil
}

// unheard is how a delivery is decoded that no callback takes.
var unheard = []*shape{rawShape}

// expectedType returns the type under which a delivery is decoded: as the caller
// of Dispatch gave it, as it was peeked, or, where it could not be peeked, as
// the decoder reads it.
func expectedType(d *Delivery) (EventType, error) {
	if d.Type != "" {
		return canonical(d.Type), nil
	}
	if d.proof.claimed != "" {
		return d.proof.claimed, nil
	}
	decoded, err := rawShape.decode(d.Body)
	if err != nil {
		return "", err
	}
	t, signed := canonical(decoded.name), d.proof.key
	if t == "" && d.proof.exclusive && canonical(d.proof.path) == signed.typ {
		t, d.Name = signed.typ, d.proof.path
	}
	switch {
	case t == "":
		return "", errNoType
	case signed != nil && signed.typ != AnyEvent && signed.typ != t:
		return "", ErrSecretOfOtherType
	}
	return t, nil
}

// identify sets the type, the name and the identity of a delivery. A delivery
// that was handed to Dispatch may have them already.
func (r *Receiver) identify(d *Delivery, expected EventType, decoded decoded) error {
	if d.proof.claimed != "" && canonical(decoded.name) != expected {
		return fmt.Errorf("%w: its type reads in two ways", ErrUndecodable)
	}
	if d.Name == "" {
		d.Name = string(expected)
		if canonical(decoded.name) == expected {
			d.Name = decoded.name
		}
	}
	d.Type = expected
	if d.ID == "" {
		d.ID = identity(d, decoded)
		if r.identity != nil {
			d.natural = naturalKey(d, decoded)
			if id := r.identity(d); id != "" {
				d.ID = id
			}
		}
	}
	if len(d.ID) > maxIdentity {
		sum := sha256.Sum256([]byte(d.ID))
		d.ID = "sha256:" + hex.EncodeToString(sum[:])
	}
	return nil
}

// identity returns the identity of a delivery by default. The body alone is never
// one: two events without an id may have the same bytes.
func identity(d *Delivery, decoded decoded) string {
	if decoded.id != "" {
		return decoded.id
	}
	if key := naturalKey(d, decoded); key != "" {
		return string(d.Type) + ":" + key
	}
	signed := sha256.New()
	if d.Source == SourceReplay {
		// Another event with the same bytes may have come by webhook in that second.
		signed.Write([]byte(SourceReplay))
	}
	if !d.SignedAt.IsZero() {
		signed.Write(strconv.AppendInt(nil, d.SignedAt.Unix(), 10))
	}
	signed.Write([]byte{'.'})
	signed.Write(d.Body)
	return "sha256:" + hex.EncodeToString(signed.Sum(nil))
}

// NaturalIdentity is an identity for [WithIdentity] that prefers the type and the
// natural key ("agent.message:msg_1") to the envelope's event id. Use it where
// the same events come by push and by poll: a polled notification has the id of
// the message, the wakeup or the breakthrough, but not the event id under which
// it was pushed. Of other types it keeps the identity.
func NaturalIdentity(d *Delivery) string {
	if d.natural == "" {
		return ""
	}
	return string(d.Type) + ":" + d.natural
}

// keyed are the shapes of the types that have a natural key.
var keyed = map[EventType]*shape{
	EventMessage:      messageShape,
	EventBreakthrough: breakthroughShape,
	EventWakeup:       wakeupShape,
}

// naturalKey returns the key also where the callback takes a T of its own, so
// that the identity does not depend on who listens.
func naturalKey(d *Delivery, known decoded) string {
	s := keyed[d.Type]
	if known.key != "" || s == nil {
		return known.key
	}
	own, err := s.decode(d.Body)
	if err != nil {
		return ""
	}
	return own.key
}

// validate asks the validator about every event of a delivery.
func (r *Receiver) validate(d *Delivery) error {
	if r.validator == nil {
		return nil
	}
	for _, event := range d.events {
		subject := event.subject()
		if subject == nil {
			continue
		}
		if err := r.validator.Struct(subject); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return nil
}

// documented is what a validator sees of an event of a documented type. The
// payload has no name of its own, because it may stand under "data", under
// "payload" or beside the agent's id.
type documented[T any] struct {
	AgentID string `json:"agent_id" validate:"required"`
	Data    *T     `json:",embed"`
}

// subject returns what there is to validate of an event, or nil. A wakeup was
// seen without an agent id, so none is demanded of it.
func (e *Event[T]) subject() any {
	switch data := any(&e.Data).(type) {
	case *Wakeup:
		return data
	case payload:
		return &documented[T]{AgentID: e.AgentID, Data: &e.Data}
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
