package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// PollProject fetches the events of a project that wait as notifications, of
// every type or of the names of [WithTypes], and runs the callbacks of the receiver
// for them, one after the other, the first that the platform lists first. It is
// for servers that no delivery can reach, and may run alongside deliveries: an
// event that was pushed is not run again, see below.
//
// What happens to a notification depends on the outcome:
//
//   - handled, handled before or ignored (2xx): it is acknowledged, after the
//     callbacks have returned. No callback for its type counts as ignored; name
//     the types with WithTypes where another process takes the others;
//   - failed, or a copy is running (5xx): it stays, and the next poll tries again;
//   - refused for good (4xx), after OnDeadLetter was called: it stays, for a
//     process that can handle it, and this call does not run it again. With
//     [WithAcknowledgeRefused] it is acknowledged.
//
// An event carries the project's id, as does a delivery that one of the project's
// secrets verified. A receiver that has secrets of the tenant's registrations and
// none of the project's gets it without one, as those deliveries do.
//
// The platform lists the first 200 only. As long as 200 stay, it does not show
// the ones after them.
//
// The wait between polls is that of [WithInterval]. PollProject goes on until ctx
// ends, and returns nil then; a callback that is running finishes, and its
// notification is acknowledged, first. It returns an error that waiting cannot fix:
// a wrong key, an unknown project, a receiver that is shut down.
//
// A notification's payload is not documented: it is taken as the fields of the
// event, or as the whole event if it has an event_type or an event_id. A whole event
// is the body that is pushed. Otherwise the notification's id is used as the event
// id, which is assumed to be that of the delivery, and CreatedAt is the
// notification's. [sonzaihook.NaturalIdentity] recognises messages, wakeups and
// breakthroughs by their own ids and needs no such assumption.
func PollProject(ctx context.Context, target Target, project sonzaiapi.Project, options ...Option) error {
	return poll(ctx, target, project.ID(), options, func(s *settings) inbox {
		return inbox{
			fetch: func(ctx context.Context) ([]notification, bool, error) {
				return fetchProject(ctx, project, pushedAs(target, project.ID()), s.types)
			},
			settle: func(ctx context.Context, ids []string) (int, error) {
				return acknowledge(ctx, project, ids)
			},
		}
	})
}

// pushedAs returns the project of a delivery that pushes an event of this project: a
// receiver that has secrets of the tenant's registrations, and none of the project's,
// gets it without one. So that [sonzaihook.NaturalIdentity] recognises it, the event
// is polled with the same.
func pushedAs(target Target, project string) string {
	hooks, ok := target.(*sonzaihook.Receiver)
	if !ok || project == "" {
		return project
	}
	if hasSecrets(hooks) && !hasSecrets(hooks.Project(project)) {
		return ""
	}
	return project
}

// hasSecrets reports whether a target has a secret for a type that has a callback.
func hasSecrets(target Target) bool {
	for _, t := range target.Types() {
		for _, name := range sonzaihook.WireNames(t) {
			if target.HasSecret(sonzaihook.EventType(name)) {
				return true
			}
		}
	}
	return false
}

// fetchProject lists the notifications of each type, or without types of all, as
// events of the project that is called pushed where they are pushed.
func fetchProject(ctx context.Context, project sonzaiapi.Project, pushed string, types []sonzaihook.EventType) (all []notification, more bool, err error) {
	if len(types) == 0 {
		types = []sonzaihook.EventType{""}
	}
	for _, t := range types {
		page, err := project.Notifications(ctx, sonzaiapi.ProjectQuery{EventType: string(t), Limit: pollPage})
		if err != nil {
			return nil, false, err
		}
		more = more || len(page) == pollPage
		for _, n := range page {
			all = append(all, notification{id: n.ID, delivery: projectDelivery(pushed, n)})
		}
	}
	return all, more, nil
}

// acknowledge settles notifications, no more in one call than are listed in one.
func acknowledge(ctx context.Context, project sonzaiapi.Project, ids []string) (int, error) {
	total := 0
	for some := range slices.Chunk(ids, pollPage) {
		n, err := project.Acknowledge(ctx, some...)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func projectDelivery(project string, n sonzaiapi.ProjectNotification) *sonzaihook.Delivery {
	return &sonzaihook.Delivery{
		Type:    sonzaihook.EventType(n.EventType),
		Source:  sonzaihook.SourcePoll,
		Project: project,
		Body:    projectBody(n),
	}
}

// projectBody returns the payload if it is a whole event with an id, and otherwise
// an event that contains it.
func projectBody(n sonzaiapi.ProjectNotification) []byte {
	payload := unquoted(n.Payload)
	event := object(payload)
	if !isText(event["event_type"]) && !isText(event["event_id"]) {
		event = map[string]json.RawMessage{"data": payload}
	} else if isText(event["event_id"]) || isText(event["id"]) {
		return payload
	}
	for name, value := range map[string]string{
		"event_type": n.EventType, "event_id": n.ID, "agent_id": n.AgentID, "user_id": n.UserID,
		"project_id": n.ProjectID, "created_at": n.CreatedAt.Text,
	} {
		if _, there := event[name]; !there && value != "" {
			event[name] = text(value)
		}
	}
	return encode(event)
}

// unquoted returns a payload that is JSON in a string as the JSON itself.
func unquoted(payload json.RawMessage) json.RawMessage {
	var inner string
	if json.Unmarshal(payload, &inner) == nil && object([]byte(inner)) != nil {
		return json.RawMessage(inner)
	}
	if len(payload) == 0 {
		return json.RawMessage("null")
	}
	return payload
}

// object returns the members of a JSON object, or nil for anything else.
func object(raw []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

// isText reports whether a JSON value is a string that is not empty.
func isText(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 2 && raw[0] == '"'
}

func text(value string) json.RawMessage {
	encoded, _ := json.Marshal(value) // a string always marshals
	return encoded
}

func encode(members map[string]json.RawMessage) []byte {
	encoded, _ := json.Marshal(members) // what came out of JSON goes back into it
	return encoded
}
