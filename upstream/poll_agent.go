package upstream

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
)

// PollAgent is [PollProject] for the messages that one agent has for its users:
// each runs the callbacks of [sonzaihook.EventMessage] and is consumed afterwards.
// The platform does not say which project an agent belongs to: pass the receiver's
// part for that project, so that the events carry its id.
//
// A message has fewer fields than a delivery: no event id, no project id, and an
// agent id only where the platform repeats it. So a receiver that also gets
// deliveries, which have event ids, needs [sonzaihook.WithIdentity] with
// [sonzaihook.NaturalIdentity] to recognise it by its message id
// ("agent.message:msg_1"). A message that a wakeup left behind runs OnMessage here; the wakeup
// itself is a separate event.
func PollAgent(ctx context.Context, target Target, agent sonzaiapi.Agent, options ...Option) error {
	project := projectOf(target)
	return poll(ctx, target, project, options, func(*settings) inbox {
		return inbox{
			fetch: func(ctx context.Context) ([]notification, bool, error) { return fetchAgent(ctx, agent, project) },
			settle: func(ctx context.Context, ids []string) (int, error) {
				return consume(ctx, agent, ids)
			},
		}
	})
}

func fetchAgent(ctx context.Context, agent sonzaiapi.Agent, project string) (all []notification, more bool, err error) {
	page, err := agent.Notifications(ctx, sonzaiapi.AgentQuery{Limit: pollPage})
	if err != nil {
		return nil, false, err
	}
	for _, n := range page {
		all = append(all, notification{id: n.ID, delivery: messageDelivery(project, n)})
	}
	return all, len(page) == pollPage, nil
}

// consume settles messages. One that is gone was consumed by another process.
func consume(ctx context.Context, agent sonzaiapi.Agent, ids []string) (int, error) {
	for i, id := range ids {
		if err := agent.Consume(ctx, id); err != nil && !errors.Is(err, sonzaiapi.ErrNotFound) {
			return i, err
		}
	}
	return len(ids), nil
}

// messageDelivery returns the message as an event, with the entry as it stood in
// the answer as its data.
func messageDelivery(project string, n sonzaiapi.AgentNotification) *sonzaihook.Delivery {
	event := map[string]json.RawMessage{"event_type": text(string(sonzaihook.EventMessage)), "data": n.Raw}
	for name, value := range map[string]string{
		"agent_id": n.AgentID, "user_id": n.UserID, "created_at": n.CreatedAt.Text,
	} {
		if value != "" {
			event[name] = text(value)
		}
	}
	return &sonzaihook.Delivery{
		Type: sonzaihook.EventMessage, Source: sonzaihook.SourcePoll, Project: project, Body: encode(event),
	}
}
