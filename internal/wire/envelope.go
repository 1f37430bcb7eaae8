package wire

import (
	"cmp"
	"strings"
	"time"
)

// Envelope has the fields around a payload, under every name that was seen.
type Envelope struct {
	EventType  string    `json:"event_type"`
	Type       string    `json:"type"`
	Event      string    `json:"event"`
	EventID    string    `json:"event_id"`
	ID         string    `json:"id"`
	AgentID    string    `json:"agent_id"`
	UserID     string    `json:"user_id"`
	ProjectID  string    `json:"project_id"`
	CreatedAt  time.Time `json:"created_at"`
	Timestamp  time.Time `json:"timestamp"`
	OccurredAt time.Time `json:"occurred_at"`

	// Inner is of the payload, where that is an object within the body.
	Inner Inner `json:"-"`
	// Nested says that the payload is an object within the body.
	Nested bool `json:"-"`
	// Loose says that a value was not of the expected kind, so that a text here may
	// differ from what the body has.
	Loose bool `json:"-"`
}

// Inner has the fields that the REST API has in the payload itself. The
// documentation's polling example has a message's id and check type under the short
// names.
type Inner struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	AgentID   string `json:"agent_id"`
	UserID    string `json:"user_id"`
	ProjectID string `json:"project_id"`
}

// Names returns the names of the type that the envelope has.
func (e *Envelope) Names() Names { return Names{e.EventType, e.Type, e.Event} }

// Time returns when the event happened, or zero if the envelope does not say.
func (e *Envelope) Time() time.Time {
	return FirstTime(e.CreatedAt, e.Timestamp, e.OccurredAt)
}

// adopt fills empty fields of the envelope from the payload.
func (e *Envelope) adopt(in *Inner) {
	e.AgentID = cmp.Or(e.AgentID, in.AgentID)
	e.UserID = cmp.Or(e.UserID, in.UserID)
	e.ProjectID = cmp.Or(e.ProjectID, in.ProjectID)
	e.Inner, e.Nested = *in, true
}

// Names are the texts under the keys that may name the type, empty where there is
// none. T is a string or, before the body is decoded, the bytes of one.
type Names struct{ EventType, Type, Event string }

// Choose returns the name of the type: event_type; else the first of type and event
// that is known; else the first.
func (n Names) Choose(known func(string) bool) string {
	switch {
	case !blank(n.EventType):
		return n.EventType
	case !blank(n.Type) && known(n.Type):
		return n.Type
	case !blank(n.Event) && (blank(n.Type) || known(n.Event)):
		return n.Event
	case !blank(n.Type):
		return n.Type
	}
	return ""
}

func blank(s string) bool { return s == "" || strings.TrimSpace(s) == "" }

// FirstTime returns the first time that is not zero.
func FirstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
