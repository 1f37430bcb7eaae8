package simulator

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// EventWakeup is the type of the event that a due wakeup sends.
const EventWakeup = "agent.wakeup"

const eventMessage = "agent.message"

// ErrInvalidEvent means that an event cannot be sent.
var ErrInvalidEvent = errors.New("simulator: invalid event")

// Layout is the form of a delivery's body. The platform documents none; these
// are the ones that its SDKs and demos show.
type Layout string

// The layouts.
const (
	// LayoutData puts the event's fields under "data" in the envelope.
	LayoutData Layout = "data"
	// LayoutFlat puts the event's fields next to those of the envelope.
	LayoutFlat Layout = "flat"
	// LayoutBare sends the event's fields alone, without an envelope and so
	// without a type, an id or an agent.
	LayoutBare Layout = "bare"
)

var layouts = []Layout{LayoutData, LayoutFlat, LayoutBare}

// Route is the way that an event takes to its receiver.
type Route string

// The routes.
const (
	// RouteBoth pushes the event and keeps it as a notification. It is the
	// default.
	RouteBoth Route = ""
	// RoutePush only pushes it.
	RoutePush Route = "push"
	// RoutePoll only keeps it as a notification.
	RoutePoll Route = "poll"
)

// Event is something that happened to an agent.
type Event struct {
	// Type is the event type. It is delivered to the registration of this name or,
	// if there is none, to that of another known name of the type: an
	// "agent.wakeup" also to the registration of "on_wakeup_ready".
	Type string
	// Name is the type as the delivery spells it, such as "on_mood_updated";
	// empty means the name of the registration.
	Name string
	// ID is the event's id, also that of its notification. Empty means a new
	// one.
	ID string
	// WithoutID leaves the id out of the delivery's envelope.
	WithoutID bool
	// ProjectID is empty for the first project.
	ProjectID string
	AgentID   string
	UserID    string
	// CreatedAt is zero for now.
	CreatedAt time.Time
	// Data holds the fields of the event: anything that marshals to a JSON object,
	// or nil for none.
	Data any
	// Layout is empty for that of [WithLayout].
	Layout Layout
	Route  Route
}

// complete fills in what the event leaves open and returns its data.
func (e *Event) complete(layout Layout, now time.Time) (json.RawMessage, error) {
	switch {
	case e.Type == "":
		return nil, fmt.Errorf("%w: it has no type", ErrInvalidEvent)
	case e.Route != RouteBoth && e.Route != RoutePush && e.Route != RoutePoll:
		return nil, fmt.Errorf("%w: there is no route %q", ErrInvalidEvent, e.Route)
	}
	if e.ID == "" {
		e.ID = newID("evt")
	}
	if e.CreatedAt.IsZero() {
		e.CreatedAt = now
	}
	e.Layout = cmp.Or(e.Layout, layout)
	if !slices.Contains(layouts, e.Layout) {
		return nil, fmt.Errorf("%w: there is no layout %q", ErrInvalidEvent, e.Layout)
	}
	return object(e.Data)
}

// object marshals the fields of an event.
func object(data any) (json.RawMessage, error) {
	if data == nil {
		return json.RawMessage("{}"), nil
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("%w: its data: %w", ErrInvalidEvent, err)
	}
	if !bytes.HasPrefix(encoded, []byte("{")) {
		return nil, fmt.Errorf("%w: its data is not a JSON object", ErrInvalidEvent)
	}
	return encoded, nil
}

// envelope holds the fields that every event has.
type envelope struct {
	Type      string          `json:"event_type"`
	ID        string          `json:"event_id,omitempty"`
	AgentID   string          `json:"agent_id,omitempty"`
	UserID    string          `json:"user_id,omitempty"`
	ProjectID string          `json:"project_id"`
	CreatedAt time.Time       `json:"created_at"`
	Data      json.RawMessage `json:"data,omitempty"`
}

// body builds the bytes of a delivery to a recipient that has the event under this
// name.
func (e *Event) body(data json.RawMessage, name string) ([]byte, error) {
	wrapped := envelope{
		Type: cmp.Or(e.Name, name), ID: e.ID, AgentID: e.AgentID, UserID: e.UserID,
		ProjectID: e.ProjectID, CreatedAt: e.CreatedAt.UTC(),
	}
	if e.WithoutID {
		wrapped.ID = ""
	}
	switch e.Layout {
	case LayoutBare:
		return data, nil
	case LayoutFlat:
		return flatten(wrapped, data)
	}
	wrapped.Data = data
	return json.Marshal(wrapped)
}

// flatten merges the fields with the envelope's, which win.
func flatten(e envelope, data json.RawMessage) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("%w: its data: %w", ErrInvalidEvent, err)
	}
	head, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidEvent, err)
	}
	if err := json.Unmarshal(head, &fields); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidEvent, err)
	}
	return json.Marshal(fields)
}

// newID returns an id that no other simulator gives either.
func newID(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }
