package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/delivery"
	"github.com/sonzaihook/sonzaihook/simulator"
)

// settleTime bounds how long the demo waits for the platform to deliver.
const settleTime = 30 * time.Second

// sampleOf returns an event with the ids and the payload of the sample.
func sampleOf(t sonzaihook.EventType, route simulator.Route) (simulator.Event, error) {
	body, err := delivery.Sample(t, false)
	return simulator.Event{
		Type: string(t), ID: delivery.Field(body, delivery.IDKeys...), AgentID: delivery.Field(body, "agent_id"), UserID: delivery.Field(body, "user_id"),
		Data: json.RawMessage(gjson.GetBytes(body, "data").Raw), Route: route,
	}, err
}

// push lets an event of each type happen. The message can be polled as well.
func (s *scenario) push(ctx context.Context) ([]row, error) {
	var rows []row
	for i, t := range sonzaihook.EventTypes() {
		route := simulator.RoutePush
		if t == sonzaihook.EventMessage {
			route = simulator.RouteBoth
		}
		event, err := sampleOf(t, route)
		if err != nil {
			return nil, err
		}
		delivered, body, err := s.deliver(ctx, event, whatPushed, expectProcessed)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			s.opening = delivery.SignedRequest{URL: s.url, Body: body, Signature: s.lastSignature()}
		}
		rows = append(rows, delivered...)
	}
	return rows, nil
}

// deliver lets an event happen, waits until the platform has done with it, and
// returns a row for each attempt, and the body.
func (s *scenario) deliver(ctx context.Context, event simulator.Event, what string, expects ...expectation) ([]row, []byte, error) {
	tries, err := s.happen(ctx, event)
	if err != nil {
		return nil, nil, err
	}
	if len(tries) == 0 {
		r := row{What: what, Type: event.Type, Agent: event.AgentID, Outcome: "not sent", Detail: "the platform has no registration"}
		return []row{r.expecting(expects[0])}, nil, nil
	}
	var rows []row
	for i, t := range tries {
		if i > 0 {
			what = "retried"
		}
		var expected expectation
		if i < len(expects) {
			expected = expects[i]
		}
		got := delivery.Reply{Status: t.Code, Code: delivery.CodeOf([]byte(t.ResponseBody)), Duration: t.Duration}
		if t.Code == 0 {
			got.Code = delivery.CodeUnanswered
		}
		rows = append(rows, newRow(what, t.RequestBody, got, t.note).expecting(expected))
	}
	return rows, tries[0].RequestBody, nil
}

// happen lets an event happen and returns all attempts to deliver it.
func (s *scenario) happen(ctx context.Context, event simulator.Event) ([]try, error) {
	s.recall()
	if _, err := s.sim.Emit(ctx, event); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := s.sim.Wait(ctx); err != nil {
		return nil, err
	}
	tries, _, _ := s.recall()
	return tries, nil
}

// attack sends what the platform did not sign so.
func (s *scenario) attack(ctx context.Context) ([]row, error) {
	mood, err := delivery.Sample(sonzaihook.EventMoodChange, true)
	if err != nil {
		return nil, err
	}
	secret := s.secrets[sonzaihook.EventMoodChange]
	tampered, err := sjson.SetBytes(mood, "agent_id", "agent_eve")
	if err != nil {
		return nil, err
	}
	client := delivery.NewClient(10 * time.Second)
	defer client.CloseIdleConnections()
	var rows []row
	for _, attack := range []struct {
		what     string
		request  delivery.SignedRequest
		expected expectation
	}{
		{"replayed", s.opening, expectDuplicate},
		{"tampered", delivery.SignedRequest{URL: s.url, Body: tampered, Signature: sonzaihook.Sign(mood, secret, s.now())}, expectUnauthorized},
		{"stale", delivery.SignedRequest{URL: s.url, Body: mood, Signature: sonzaihook.Sign(mood, secret, s.now().Add(-time.Hour))}, expectUnauthorized},
	} {
		s.recall()
		answer, err := delivery.Post(ctx, client, attack.request)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			answer.Code = delivery.CodeUnanswered
		}
		_, _, n := s.recall()
		rows = append(rows, newRow(attack.what, attack.request.Body, answer, n).expecting(attack.expected))
	}
	return rows, nil
}

// fail lets an event happen whose callback fails at first.
func (s *scenario) fail(ctx context.Context) ([]row, error) {
	event, err := sampleOf(sonzaihook.EventMoodChange, simulator.RoutePush)
	if err != nil {
		return nil, err
	}
	event.ID, event.Layout = faultyID, simulator.LayoutFlat
	rows, _, err := s.deliver(ctx, event, "failing", expectFailed, expectProcessed)
	return rows, err
}

// miss lets an event happen while the receiver is down, until the platform gives
// it up.
func (s *scenario) miss(ctx context.Context) ([]row, error) {
	event, err := sampleOf(sonzaihook.EventMemoryAdded, simulator.RoutePush)
	if err != nil {
		return nil, err
	}
	event.ID = "evt_01JMISSED"
	event.Data = map[string]string{"fact_id": "fact_missed", "atomic_text": "The user is moving to Lisbon."}
	if err := s.down(ctx); err != nil {
		return nil, err
	}
	tries, err := s.happen(ctx, event)
	if err != nil || len(tries) == 0 {
		return nil, err
	}
	if err := s.up(ctx); err != nil {
		return nil, err
	}
	last := tries[len(tries)-1]
	r := newRow("missed", last.RequestBody, delivery.Reply{Status: last.Code, Code: delivery.CodeUnanswered, Duration: last.Duration}, last.note)
	r.Detail = fmt.Sprintf("%s given up: %s", console.Counted(len(tries), "attempt"), dial(last.Error))
	if len(tries) != s.attempts || last.Code != 0 {
		r.Outcome = "not given up"
	}
	return []row{r.expecting(expectUnanswered)}, nil
}
