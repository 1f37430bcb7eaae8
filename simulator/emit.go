package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// EmitPath is a call that the platform does not have: POST an event there, with
// the API key, to let it happen. The body has "type", which is required, and
// "name", "id", "project_id", "agent_id", "user_id", "data" (an object),
// "layout" and "route" as in [Event]; the answer has "event_id".
const EmitPath = "/simulator/events"

// Emit lets an event happen and returns its id. It keeps the notification and
// hands the deliveries to the workers: one for the registration of the type, and
// one for each channel that takes it. It does not wait for the answers, but blocks
// while as many events as [WithBacklog] allows wait for their first attempt. An
// event that has no recipient is not pushed. The errors wrap [ErrInvalidEvent],
// [ErrClosed] or that of the context.
func (s *Simulator) Emit(ctx context.Context, e Event) (string, error) {
	p, data, err := s.complete(&e)
	if err != nil {
		return "", err
	}
	if s.ctx.Err() != nil {
		return "", ErrClosed
	}
	deliveries, err := deliveriesOf(e, p, data)
	if err != nil {
		return "", err
	}
	if len(deliveries) > 0 {
		select {
		case s.deliverer.slots <- struct{}{}:
		case <-ctx.Done():
			return "", fmt.Errorf("simulator: the backlog is full: %w", context.Cause(ctx))
		case <-s.ctx.Done():
			return "", ErrClosed
		}
		deliveries[0].slot = true
	}
	s.happen(e, p, data, deliveries)
	return e.ID, nil
}

// complete fills in the event and finds its project.
func (s *Simulator) complete(e *Event) (*project, json.RawMessage, error) {
	p, known := s.project(e.ProjectID)
	if !known {
		return nil, nil, fmt.Errorf("%w: there is no project %q", ErrInvalidEvent, e.ProjectID)
	}
	e.ProjectID = p.id
	data, err := e.complete(s.settings.layout, s.now())
	return p, data, err
}

// deliveriesOf returns the deliveries of an event, one for each recipient.
func deliveriesOf(e Event, p *project, data json.RawMessage) ([]*delivery, error) {
	if e.Route == RoutePoll {
		return nil, nil
	}
	var all []*delivery
	for _, to := range p.recipients(namesOf(e.Type), e.AgentID) {
		body, err := e.body(data, to.eventType)
		if err != nil {
			return nil, err
		}
		all = append(all, &delivery{project: p, to: to, eventType: e.Type, body: body})
	}
	return all, nil
}

// happen keeps what can be polled and sends the deliveries.
func (s *Simulator) happen(e Event, p *project, data json.RawMessage, deliveries []*delivery) {
	s.deliverer.stats.emitted.Add(1)
	if e.Route != RoutePush {
		name, _ := p.name(namesOf(e.Type))
		p.notifications.add(notification{
			ID: e.ID, ProjectID: p.id, EventType: name, AgentID: e.AgentID, UserID: e.UserID,
			Payload: data, Status: statusPending, CreatedAt: e.CreatedAt.UTC(),
		}, p.history)
		if m, ok := messageOf(e, data); ok {
			s.agents.add(m)
		}
	}
	for _, d := range deliveries {
		s.deliverer.send(d)
	}
}

// schedule keeps a wakeup and lets it fire when it is due.
func (s *Simulator) schedule(w *wakeup, at time.Time) {
	now := s.now()
	w.ID, w.Status = newID("wk"), statusPending
	w.ScheduledAt, w.CreatedAt = stamp(at), stamp(now)
	s.agents.schedule(w)
	s.deliverer.after(s.settings.shorten(max(0, at.Sub(now))), func() { s.fire(w) })
}

// fire sends the event of a wakeup. It runs on a worker, so it must not wait for
// a slot in the backlog that only a worker can free.
func (s *Simulator) fire(w *wakeup) {
	fired := s.agents.execute(w, s.now())
	event := Event{
		Type: EventWakeup, AgentID: fired.AgentID, UserID: fired.UserID,
		Data: map[string]any{
			"wakeup":         fired,
			"memory_context": map[string]any{"recent_topics": []string{}},
			"has_energy":     true,
			"generated_message": "Hello! I wanted to talk with you about " +
				cmp.Or(fired.InterestTopic, fired.Occasion, fired.EventDescription, fired.Intent) + ".",
		},
	}
	p, data, err := s.complete(&event)
	if err != nil {
		return // unreachable: the event is whole and its data marshals
	}
	deliveries, err := deliveriesOf(event, p, data)
	if err != nil {
		return // unreachable for the same reason
	}
	s.happen(event, p, data, deliveries)
}

var emitFields = []field{
	{"type", true, "string"}, {"name", false, "string"}, {"id", false, "string"},
	{"project_id", false, "string"}, {"agent_id", false, "string"}, {"user_id", false, "string"},
	{"data", false, "object"}, {"layout", false, "string"}, {"route", false, "string"},
}

func (s *Simulator) emitOverHTTP(r *http.Request) (any, error) {
	var body struct {
		Type      string          `json:"type"`
		Name      string          `json:"name"`
		ID        string          `json:"id"`
		ProjectID string          `json:"project_id"`
		AgentID   string          `json:"agent_id"`
		UserID    string          `json:"user_id"`
		Data      json.RawMessage `json:"data"`
		Layout    Layout          `json:"layout"`
		Route     Route           `json:"route"`
	}
	if err := readBody(r, emitFields, &body); err != nil {
		return nil, err
	}
	event := Event{
		Type: body.Type, Name: body.Name, ID: body.ID, ProjectID: body.ProjectID,
		AgentID: body.AgentID, UserID: body.UserID, Layout: body.Layout, Route: body.Route,
	}
	if body.Data != nil {
		event.Data = body.Data
	}
	id, err := s.Emit(r.Context(), event)
	switch {
	case errors.Is(err, ErrInvalidEvent):
		return nil, fail(http.StatusUnprocessableEntity, "%v", err)
	case err != nil:
		return nil, fail(http.StatusServiceUnavailable, "%v", err)
	}
	return map[string]string{"event_id": id}, nil
}
