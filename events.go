package sonzaihook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/sonzaihook/sonzaihook/internal/signature"
	"github.com/sonzaihook/sonzaihook/internal/usercode"
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

// AnyEvent is the key in [Secrets] for every event type: a secret under it may sign
// a delivery of any type.
const AnyEvent EventType = signature.Any

// Event is one event as a callback receives it. T is the type of its payload:
// one of the six structs of this package, or a type that the user defines.
//
// The envelope around the payload is not documented by the platform. Each field
// is filled from every name and place under which it was seen, and is zero where
// the delivery has none. An event that was polled may have less than one that was
// pushed: a message of an agent comes without an event id and a project, and its
// AgentID may be missing; where the payload of a project's notification has no id or
// time, those of the notification are used. Callbacks of one delivery that take the
// same T share one Event; an Event may be kept after the callback returns.
type Event[T any] struct {
	// ID is the envelope's event id (event_id, id). Where it has none it is the
	// identity of the delivery, see [Delivery].
	ID string
	// Type is the documented type, also where the wire used another name for it.
	Type EventType
	// Name is the type as it stood on the wire.
	Name string
	// AgentID, UserID and ProjectID say whom the event is about (agent_id,
	// user_id, project_id; in the envelope or in the payload).
	AgentID   string
	UserID    string
	ProjectID string
	// Source says how the event got here.
	Source Source
	// CreatedAt is when the event happened (created_at, timestamp), not when it
	// was sent. A value that is not a time reads as the zero time.
	CreatedAt time.Time
	// Data is the payload: the value under "data" or "payload", or the fields next
	// to those of the envelope.
	Data T
	// Raw is the whole signed body, byte for byte, unknown fields included, without
	// a leading byte order mark.
	Raw json.RawMessage
	// Misfit holds the JSON names of fields that are zero because the value that was
	// sent did not fit. Raw has the value.
	Misfit []string
}

// String names the event without its content, so that it may be logged.
func (e Event[T]) String() string { return describe(e.Type, e.ID) }

// GoString is String, so that no verb prints the content by accident.
func (e Event[T]) GoString() string { return e.String() }

// Format prints what String returns, whatever the verb.
func (e Event[T]) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

// LogValue logs what String returns.
func (e Event[T]) LogValue() slog.Value { return slog.StringValue(e.String()) }

func describe(t EventType, id string) string {
	name := usercode.Name(string(t))
	if id == "" {
		return name
	}
	return name + " " + usercode.Name(id)
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

// The sources of deliveries.
const (
	SourceWebhook Source = "webhook" // pushed by the platform over HTTP
	SourcePoll    Source = "poll"    // fetched from its notifications
	SourceReplay  Source = "replay"  // fetched from its delivery log
	SourceBroker  Source = "broker"  // handed on by a message broker
)

// Delivery is one authentic event before it is decoded for a callback.
// Middleware, dead letters and [Receiver.Dispatch] work with it. A receiver
// never changes a Delivery after it has handed it out, and its Body may be kept.
// What user code writes to it does not change which delivery is claimed and
// reported; middleware may pass on another Body, which is then decoded again.
type Delivery struct {
	// ID is the identity by which a copy is recognised. It holds the project, the
	// type, the agent, and then the first that the event has: its event_id; its id,
	// or the natural key of its payload, with a digest of the payload; else a digest
	// of what was signed. [WithIdentity] replaces it. Its form is not a promise.
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

	natural string // the natural key, where an identity function may ask for it
}

// String names the delivery without its body, so that it may be logged.
func (d Delivery) String() string { return describe(d.Type, d.ID) }

// GoString is String, so that no verb prints the body by accident.
func (d Delivery) GoString() string { return d.String() }

// Format prints what String returns, whatever the verb.
func (d Delivery) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue logs what String returns.
func (d Delivery) LogValue() slog.Value { return slog.StringValue(d.String()) }
