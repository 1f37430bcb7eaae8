package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/cmd/sonzaihook/internal/console"
	"github.com/sonzaihook/sonzaihook/simulator"
	"github.com/sonzaihook/sonzaihook/sonzaiapi"
	"github.com/sonzaihook/sonzaihook/upstream"
)

// The steps in which the receiver calls the platform.

func (s *scenario) subscribe(ctx context.Context) ([]row, error) {
	start := time.Now()
	subscription, err := upstream.Subscribe(ctx, s.hooks, s.client.Webhooks(), s.url,
		upstream.WithSecretSink(s.keepSecret), upstream.WithLogger(s.logger))
	if err != nil {
		return nil, err
	}
	s.subscription = subscription
	types := s.registeredTypes()
	each := "type"
	if len(subscription.Registered) > types {
		each = "name" // some types have two
	}
	r := row{
		What: "subscribed", Type: console.Counted(types, "event type"), Outcome: outcomeRegistered,
		DurationMS: console.InMS(time.Since(start)),
		Detail:     console.Counted(len(s.secrets), "signing secret") + ", each for one " + each,
	}
	if types != len(sonzaihook.EventTypes()) || len(subscription.Registered) != len(s.secrets) {
		r.Outcome = "incomplete"
	}
	return []row{r.expecting(expectRegistered)}, nil
}

// registeredTypes returns how many event types are registered, under however many
// names.
func (s *scenario) registeredTypes() int {
	types := map[sonzaihook.EventType]bool{}
	for _, r := range s.subscription.Registered {
		types[sonzaihook.CanonicalType(string(r.Type))] = true
	}
	return len(types)
}

// recover runs what was missed.
func (s *scenario) recover(ctx context.Context) ([]row, error) {
	s.recall()
	_, err := upstream.Replay(ctx, s.hooks, s.client.Webhooks(), upstream.WithLogger(s.logger))
	if err != nil && !errors.Is(err, upstream.ErrUnsettled) {
		return nil, err
	}
	return s.fetched("recovered", expectProcessed), nil
}

// poll fetches two messages: one that was pushed before, and a new one.
func (s *scenario) poll(ctx context.Context) ([]row, error) {
	event, err := sampleOf(sonzaihook.EventMessage, simulator.RoutePoll)
	if err != nil {
		return nil, err
	}
	event.ID = "evt_01JPOLLED"
	event.Data = map[string]string{"message_id": "msg_polled", "content": "Good night! Shall I wake you at seven?"}
	if _, err := s.happen(ctx, event); err != nil {
		return nil, err
	}
	agent := s.client.Agent(event.AgentID)
	err = upstream.PollAgent(ctx, s.hooks, agent, upstream.WithOnce(), upstream.WithLogger(s.logger))
	if err != nil && !errors.Is(err, upstream.ErrUnsettled) {
		return nil, err
	}
	rows := s.fetched("polled", expectDuplicate, expectProcessed)
	left, err := agent.Notifications(ctx, sonzaiapi.AgentQuery{})
	if err == nil && len(left) > 0 {
		last := &rows[len(rows)-1]
		last.Outcome, last.OK = "not consumed", false
	}
	return rows, err
}

// fetched returns a row for each delivery that the receiver has fetched.
func (s *scenario) fetched(what string, expects ...expectation) []row {
	_, outcomes, _ := s.recall()
	var rows []row
	for i, out := range outcomes {
		var expected expectation
		if i < len(expects) {
			expected = expects[i]
		}
		r := row{
			What: what, Type: string(out.Type), Agent: sampleAgent, Outcome: out.Code, Status: out.Status,
			DurationMS: console.InMS(out.Duration), Callbacks: out.runs, Detail: out.detail(),
		}
		rows = append(rows, r.expecting(expected))
	}
	for _, expected := range expects[min(len(outcomes), len(expects)):] {
		r := row{What: what, Outcome: "not fetched", Detail: "there was nothing"}
		rows = append(rows, r.expecting(expected))
	}
	return rows
}

// sampleAgent is the agent of all samples.
const sampleAgent = "agent_luna"

// rotationPause is how long each secret is used.
const rotationPause = 25 * time.Millisecond

// rotate replaces a secret again and again while events are pushed, and looks
// whether each of them ran once.
func (s *scenario) rotate(ctx context.Context) ([]row, error) {
	start, before := time.Now(), s.ran()
	emitted := make(chan error, 1)
	go func() { emitted <- s.emitLoad(ctx) }()
	rotations, err := s.rotateUntil(ctx, emitted)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := s.sim.Wait(ctx); err != nil {
		return nil, err
	}
	lost, twice, runs := 0, 0, 0
	after := s.ran()
	for i := range s.load {
		n := after[loadID(i)] - before[loadID(i)]
		runs += n
		switch {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	tries, _, _ := s.recall()
	r := row{
		What: "rotated", Type: string(sonzaihook.EventMoodChange), Agent: sampleAgent,
		Outcome: sonzaihook.CodeProcessed, Status: http.StatusOK, Callbacks: runs, DurationMS: console.InMS(time.Since(start)),
		Detail: fmt.Sprintf("%d events, %d attempts, secret changed %d times: %d lost, %d run twice", s.load, len(tries), rotations, lost, twice),
	}
	if rotations == 0 {
		r.Outcome = "not rotated"
	}
	return []row{r.expecting(expectation{http.StatusOK, sonzaihook.CodeProcessed, s.load})}, nil
}

func loadID(i int) string { return fmt.Sprintf("evt_load_%d", i) }

// emitLoad lets events happen, about one in a millisecond.
func (s *scenario) emitLoad(ctx context.Context) error {
	event, err := sampleOf(sonzaihook.EventMoodChange, simulator.RoutePush)
	for i := 0; i < s.load && err == nil; i++ {
		event.ID = loadID(i)
		if _, err = s.sim.Emit(ctx, event); err == nil {
			err = sleep(ctx, time.Millisecond)
		}
	}
	return err
}

// rotateUntil replaces the secret, at least once, until something comes from done.
func (s *scenario) rotateUntil(ctx context.Context, done <-chan error) (rotations int, err error) {
	for {
		err := upstream.Rotate(ctx, s.hooks, s.client.Webhooks(), sonzaihook.EventMoodChange, time.Minute,
			upstream.WithSecretSink(s.keepSecret), upstream.WithLogger(s.logger))
		if err != nil {
			return rotations, errors.Join(err, <-done)
		}
		rotations++
		select {
		case err := <-done:
			return rotations, err
		case <-time.After(rotationPause):
		}
	}
}

func (s *scenario) unsubscribe(ctx context.Context) ([]row, error) {
	start, n := time.Now(), s.registeredTypes()
	if err := s.subscription.Unsubscribe(ctx); err != nil {
		return nil, err
	}
	took := time.Since(start)
	left, err := s.client.Webhooks().List(ctx)
	if err != nil {
		return nil, err
	}
	r := row{
		What: "unsubscribed", Type: console.Counted(n, "event type"), Outcome: outcomeDeleted, DurationMS: console.InMS(took),
		Detail: console.Counted(len(left), "registration") + " left",
	}
	if len(left) > 0 {
		r.Outcome = "left"
	}
	return []row{r.expecting(expectDeleted)}, nil
}

// sleep waits, or returns why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
