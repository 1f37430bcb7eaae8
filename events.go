package sonzaihook

import (
	"encoding/json"
	"time"
)

// EventType names a kind of event, as the platform's documentation spells it.
// Types that are not among the constants are normal: the platform sends more
// than it documents, and [On] and [Receiver.OnOther] take them.
type EventType string

// The documented event types.
const (
	EventMessage       EventType = "agent.message"
	EventMoodChange    EventType = "agent.mood_change"
	EventMemoryAdded   EventType = "agent.memory_added"
	EventBreakthrough  EventType = "agent.breakthrough"
	EventWakeup        EventType = "agent.wakeup"
	EventConsolidation EventType = "agent.consolidation"
)

// EventTypes returns the documented event types, in the order of the
// documentation. The slice is the caller's.
func EventTypes() []EventType {
	return []EventType{
		EventMessage, EventMoodChange, EventMemoryAdded,
		EventBreakthrough, EventWakeup, EventConsolidation,
	}
}

// CanonicalType returns the documented type that a name on the wire stands for.
// The platform's dispatcher uses names of its own for some types ("memory.created",
// observed); a name without a documented type is returned as it is.
func CanonicalType(name string) EventType { return canonical(name) }

func canonical[S ~string | ~[]byte](name S) EventType {
	switch string(name) {
	case "agent.message":
		return EventMessage
	case "agent.mood_change", "on_mood_updated":
		return EventMoodChange
	case "agent.memory_added", "memory.created":
		return EventMemoryAdded
	case "agent.breakthrough", "on_breakthrough_detected":
		return EventBreakthrough
	case "agent.wakeup", "on_wakeup_ready":
		return EventWakeup
	case "agent.consolidation":
		return EventConsolidation
	}
	return EventType(name)
}

// Event is one event as a callback receives it. T is the type of its payload:
// one of the six structs of this package, or a type of the user's own.
//
// The envelope around the payload is not documented by the platform. Each field
// is filled from every name and place under which it was seen, and is zero where
// the delivery has none. What was polled may have less than what was pushed: a
// message of an agent comes without an event id and a project, and its AgentID
// may be missing; a notification of a project stands in with its own id and time
// where its payload has none. The callbacks of one delivery that take the same T share
// one Event; an Event may be kept after the callback returns.
type Event[T any] struct {
	// ID is the envelope's event id (event_id, id). Where it has none it is the
	// identity of the delivery, see [Delivery].
	ID string
	// Type is the documented type, also where the wire used another name for it.
	Type EventType
	// Name is the type as it stood on the wire.
	Name string
	// AgentID, UserID and ProjectID say whom the event is about (agent_id,
	// user_id, project_id; beside the payload or in it).
	AgentID   string
	UserID    string
	ProjectID string
	// Source says how the event got here.
	Source Source
	// CreatedAt is when the event happened (created_at, timestamp), not when it
	// was sent. A value that is not a time reads as the zero time.
	CreatedAt time.Time
	// Data is the payload, from under "data" or "payload", or from beside the
	// envelope's own fields.
	Data T
	// Raw is the whole signed body, byte for byte, unknown fields included.
	Raw json.RawMessage
	// Misfit holds the JSON names of fields whose value did not fit and that are
	// zero for it. Raw has what was sent.
	Misfit []string
}

// String names the event without its content, so that it may be logged.
func (e *Event[T]) String() string { return describe(e.Type, e.ID) }

// GoString is String, so that no verb prints the content by accident.
func (e *Event[T]) GoString() string { return e.String() }

func describe(t EventType, id string) string {
	if id == "" {
		return string(t)
	}
	return string(t) + " " + id
}

// The events of the documented types.
type (
	// MessageEvent is an [EventMessage].
	MessageEvent = Event[Message]
	// MoodChangeEvent is an [EventMoodChange].
	MoodChangeEvent = Event[MoodChange]
	// MemoryAddedEvent is an [EventMemoryAdded].
	MemoryAddedEvent = Event[MemoryAdded]
	// BreakthroughEvent is an [EventBreakthrough].
	BreakthroughEvent = Event[Breakthrough]
	// WakeupEvent is an [EventWakeup].
	WakeupEvent = Event[Wakeup]
	// ConsolidationEvent is an [EventConsolidation].
	ConsolidationEvent = Event[Consolidation]
)

// Source says how a delivery reached the receiver.
type Source string

// The ways of a delivery.
const (
	SourceWebhook Source = "webhook" // pushed by the platform over HTTP
	SourcePoll    Source = "poll"    // fetched from its notifications
	SourceReplay  Source = "replay"  // fetched from its delivery log
	SourceBroker  Source = "broker"  // handed on by a message broker
)

// Delivery is one authentic event before it is decoded for a callback.
// Middleware, dead letters and [Receiver.Dispatch] work with it. A receiver
// never changes a Delivery after it has handed it out, and its Body may be kept.
type Delivery struct {
	// ID is the identity by which a copy is recognised: the envelope's event id;
	// else the type and its natural key ("agent.wakeup:wk_1"); else a digest of
	// what was signed. [WithIdentity] replaces it.
	ID string
	// Type is the documented type, also where the wire used another name for it.
	Type EventType
	// Name is the type as it stood on the wire.
	Name string
	// SignedAt is the time in the signature, in whole seconds. Of a replayed
	// delivery it is about when the platform first tried; else it is zero.
	SignedAt time.Time
	// Source says how the delivery got here.
	Source Source
	// Project is the project whose secret verified the delivery, empty for the
	// tenant's. Dispatch trusts what its caller sets.
	Project string
	// Trace is trace context that travels with a delivery through a queue, by the
	// names that a propagator gives it. Dispatch copies it.
	Trace map[string]string
	// Body is the whole body, byte for byte.
	Body []byte

	proof   proof
	natural string   // the natural key, where an identity function may ask for it
	attempt *attempt // memory for the attempt at it
	route   *route
	events  []placed // one *Event[T] for each shape of the route
	first   [1]placed
}

// proof is what authenticated a delivery; it is empty where the caller of
// Dispatch vouches for it.
type proof struct {
	key       *key
	exclusive bool      // no other event type has the key
	claimed   EventType // the type as peeked, empty where unreadable
	path      string    // the type as the URL names it; not signed
}

// String names the delivery without its body, so that it may be logged.
func (d *Delivery) String() string { return describe(d.Type, d.ID) }

// GoString is String, so that no verb prints the body by accident.
func (d *Delivery) GoString() string { return d.String() }

// WireNames returns the names that the platform uses on the wire for a documented
// type, the documented name first. For any other type it returns the name itself.
// The slice is the caller's.
func WireNames(t EventType) []string {
	names := []string{string(t)}
	switch t {
	case EventMoodChange:
		names = append(names, "on_mood_updated")
	case EventMemoryAdded:
		names = append(names, "memory.created")
	case EventBreakthrough:
		names = append(names, "on_breakthrough_detected")
	case EventWakeup:
		names = append(names, "on_wakeup_ready")
	}
	return names
}
