package demo

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// messageIn returns a message of a project.
func messageIn(project, id, content string) (simulator.Event, error) {
	event, err := sampleOf(sonzaihook.EventMessage, simulator.RoutePush)
	event.ID, event.ProjectID = id, project
	event.Data = map[string]string{"message_id": "msg_" + id, "content": content}
	return event, err
}

// sideBySide lets an event with the same id happen in two projects of one receiver,
// of which one has rotated its secret.
func (s *scenario) sideBySide(ctx context.Context) ([]row, error) {
	var rows []row
	for _, project := range []string{projectAcme, projectBistro} {
		webhooks := s.client.Project(project).Webhooks()
		subscription, err := upstream.Subscribe(ctx, s.hooks, webhooks, s.receiver.URL()+projectsPath,
			upstream.WithTypes(sonzaihook.EventMessage), upstream.WithLogger(s.logger))
		if err != nil {
			return nil, err
		}
		defer func() { _ = subscription.Unsubscribe(context.WithoutCancel(ctx)) }() // the platform ends with the demo
	}
	err := upstream.Rotate(ctx, s.hooks, s.client.Project(projectAcme).Webhooks(), sonzaihook.EventMessage, 0, upstream.WithLogger(s.logger))
	if err != nil {
		return nil, err
	}
	for _, of := range []struct{ what, project, content, note string }{
		{"project 1", projectAcme, "The studio opens at nine.", "secret just rotated"},
		{"project 2", projectBistro, "Your table is ready.", "same id, own secret"},
	} {
		event, err := messageIn(of.project, "evt_01JSHARED", of.content)
		if err != nil {
			return nil, err
		}
		delivered, _, err := s.deliver(ctx, event, of.what, expectProcessed)
		if err != nil {
			return nil, err
		}
		delivered[0].Detail = fmt.Sprintf("%s, %s: %s", of.project, of.note, delivered[0].Detail)
		rows = append(rows, delivered...)
	}
	return rows, nil
}

var expectQueued = expectation{http.StatusAccepted, sonzaihook.CodeQueued, 0}

// queue lets an event happen while what its callback needs is down. A queue takes it,
// and it runs when that is back.
func (s *scenario) queue(ctx context.Context) ([]row, error) {
	subscription, err := upstream.Subscribe(ctx, s.behind, s.client.Project(projectQueue).Webhooks(), s.receiver.URL()+queuePath,
		upstream.WithTypes(sonzaihook.EventMessage), upstream.WithLogger(s.logger))
	if err != nil {
		return nil, err
	}
	defer func() { _ = subscription.Unsubscribe(context.WithoutCancel(ctx)) }() // the platform ends with the demo
	event, err := messageIn(projectQueue, "evt_01JQUEUED", "Your order is on its way.")
	if err != nil {
		return nil, err
	}
	s.serviceDown.Store(true)
	rows, _, err := s.deliver(ctx, event, "queued", expectQueued)
	if err != nil {
		return nil, err
	}
	if rows[0].OK {
		rows[0].Detail = "safe in a file, answered at once"
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for _, try := range []struct {
		what     string
		down     bool
		expected expectation
	}{
		{"waiting", true, expectFailed},
		{"ran later", false, expectProcessed},
	} {
		s.serviceDown.Store(try.down)
		s.recall()
		if err := s.spool.run(ctx, s.behind); err != nil {
			return nil, err
		}
		rows = append(rows, s.fetched(try.what, try.expected)...)
	}
	return rows, nil
}
