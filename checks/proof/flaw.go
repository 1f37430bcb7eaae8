package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/sonzaihook/sonzaihook"
)

// Flaw is a deliberate fault of a receiver, which the check must find.
type Flaw string

// The flaws.
const (
	NoFlaw         Flaw = ""
	CommitsFirst   Flaw = "commits before running"
	KeepsFailures  Flaw = "no release on error"
	AcceptsRunning Flaw = "a copy in flight is answered 200"
	CommitsOnce    Flaw = "a commit that fails is not tried again"
	RunsLateClaims Flaw = "a claim that is granted when its lease is over runs"

	RefusesOddFields  Flaw = "a field that does not fit refuses the event"
	ForgetsProjects   Flaw = "one event id in two projects is one event"
	ForgetsTypes      Flaw = "one event id under two types is one event"
	ForgetsAgents     Flaw = "one event id of two agents is one event"
	BareIDs           Flaw = "the event id alone is the identity"
	ForgetsPayloads   Flaw = "two changes of one thing are one event"
	ForgetsSchedules  Flaw = "a recurring wakeup is one event"
	TakesPlaceholders Flaw = "a placeholder is an id"
)

// options returns what makes a receiver have the flaw, where an option does.
func (f Flaw) options(lease time.Duration) []sonzaihook.Option {
	if f == RunsLateClaims {
		return []sonzaihook.Option{sonzaihook.WithLease(10 * lease)} // it relies on more than the store has granted
	}
	identity := identities[f]
	if identity == nil {
		return nil
	}
	return []sonzaihook.Option{sonzaihook.WithIdentity(func(d *sonzaihook.Delivery) string {
		id, _ := sonzaihook.IdentityOf(d)
		var is ids
		_ = json.Unmarshal(d.Body, &is) // what was decoded once can be decoded again
		return identity(id, string(d.Type), is)
	})}
}

// ids are the ids in a body as they stand there.
type ids struct {
	EventID json.RawMessage `json:"event_id"`
	ID      json.RawMessage `json:"id"`
}

// identities make the wrong identity of the right one, the type and the ids in the
// body.
var identities = map[Flaw]func(id, typ string, is ids) string{
	ForgetsProjects: func(id, _ string, _ ids) string { return without(id, 0) },
	ForgetsTypes:    func(id, _ string, _ ids) string { return without(id, 1) },
	ForgetsAgents:   func(id, _ string, _ ids) string { return without(id, 2) },
	BareIDs: func(id, _ string, is ids) string {
		if strings.Contains(string(is.EventID), "evt_") {
			return string(is.EventID)
		}
		return id
	},
	ForgetsPayloads: func(id, typ string, is ids) string {
		if is.EventID == nil && is.ID != nil {
			return typ + string(is.ID)
		}
		return id
	},
	ForgetsSchedules: func(id, _ string, _ ids) string {
		if name, _, recurs := strings.Cut(id, "@"); recurs {
			return name
		}
		if name, _, recurs := strings.Cut(id, "%40"); recurs {
			return name
		}
		return id
	},
	TakesPlaceholders: func(id, typ string, is ids) string {
		if is.EventID != nil && !strings.Contains(string(is.EventID), "evt_") {
			return typ + string(is.EventID)
		}
		return id
	},
}

// without returns an identity without one of its parts.
func without(id string, part int) string {
	parts := strings.Split(id, "/")
	if len(parts) > part {
		parts[part] = ""
	}
	return strings.Join(parts, "/")
}
