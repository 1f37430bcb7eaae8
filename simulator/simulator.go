// Package simulator is a Sonzai platform in miniature: its webhook,
// notification and wakeup calls as an [http.Handler], and the deliveries that
// follow from them. It is for demos and integration tests of a receiver.
//
//	sim, err := simulator.New()
//	defer sim.Close()
//	platform := httptest.NewServer(sim) // platform.URL is what SONZAI_BASE_URL has to be
//	…register a URL through the API, then:
//	id, err := sim.Emit(ctx, simulator.Event{Type: "agent.message", AgentID: "agent_1", Data: data})
//	err = sim.Wait(ctx) // every delivery is settled
//
// The calls, their JSON, their limits and their problem documents follow the
// platform's OpenAPI document. Where that leaves something open, the simulator
// chooses:
//
//   - An agent exists as soon as it is named.
//   - Calls without a project are about the first project.
//   - A registration has the name that it was given, and an event is pushed to one
//     of them: that of its type, or else that of another known name of the type. It
//     can be polled under the same name.
//   - A channel gets the events that it asks for as well, signed in the same way
//     with the secret in its config.
//   - A delivery log outlives its registration.
//
// All state is in memory and bounded, see [WithHistory].
package simulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// BasePath is where the API lives below the address of the simulator. A client
// that is given the bare address, as the platform's SDKs are, adds it.
const BasePath = "/api/v1"

// ErrClosed means that [Simulator.Close] was called.
var ErrClosed = errors.New("simulator: closed")

// Simulator is a simulated platform. Make one with [New]. It is safe for concurrent use.
type Simulator struct {
	settings  settings
	routes    *http.ServeMux
	projects  map[string]*project
	agents    agents
	faults    faults
	deliverer *deliverer

	ctx    context.Context // done when the simulator is closed
	cancel context.CancelCauseFunc
	owned  sync.WaitGroup
}

// New starts a simulator. [Simulator.Close] ends it. The errors wrap
// [ErrInvalidOption].
func New(opts ...Option) (*Simulator, error) {
	s := defaults()
	for _, opt := range opts {
		opt(&s)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	sim := &Simulator{
		settings: s,
		projects: map[string]*project{},
		agents:   agents{history: s.history, byID: map[string]*agent{}},
	}
	for _, id := range s.projects {
		sim.projects[id] = newProject(id, s.history)
	}
	sim.ctx, sim.cancel = context.WithCancelCause(context.Background())
	sim.deliverer = newDeliverer(sim.ctx, s, &sim.faults)
	sim.routes = sim.newRoutes()
	sim.owned.Go(func() { sim.deliverer.scheduler.run(sim.ctx) })
	for range s.workers {
		sim.owned.Go(func() { sim.deliverer.scheduler.work(sim.ctx) })
	}
	return sim, nil
}

// Close stops all deliveries and waits for what runs. Deliveries that are not
// settled are given up; call [Simulator.Wait] first to have them made.
func (s *Simulator) Close() {
	s.cancel(ErrClosed)
	s.owned.Wait()
	s.deliverer.client.CloseIdleConnections()
}

// Wait returns when no delivery is under way or waits to be tried again. Wakeups
// that are not due do not count.
func (s *Simulator) Wait(ctx context.Context) error {
	pending := &s.deliverer.pending
	select {
	case <-pending.none():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("simulator: %d deliveries are not settled: %w", pending.count(), context.Cause(ctx))
	case <-s.ctx.Done():
		return ErrClosed
	}
}

// Stats returns the counts. They are read one after the other, so they agree
// only while nothing is pending.
func (s *Simulator) Stats() Stats {
	stats := &s.deliverer.stats
	return Stats{
		Emitted: stats.emitted.Load(), Attempts: stats.attempts.Load(),
		Delivered: stats.delivered.Load(), Failed: stats.failed.Load(),
		Pending: int64(s.deliverer.pending.count()),
	}
}

// Attempts returns what the delivery log holds of the registration with this name,
// the oldest first. An empty projectID means the first project.
func (s *Simulator) Attempts(projectID, eventType string) []Attempt {
	if p, ok := s.project(projectID); ok {
		return p.attempts(recipient{eventType: eventType})
	}
	return nil
}

// ChannelAttempts returns the attempts to deliver to a channel, the oldest first.
// The platform is not known to list them. An empty projectID means the first
// project.
func (s *Simulator) ChannelAttempts(projectID, channelID string) []Attempt {
	if p, ok := s.project(projectID); ok {
		return p.attempts(recipient{channel: channelID})
	}
	return nil
}

// MisbehaveDeliveries adds a fault. Where several fit an attempt, the one added
// last counts. The error wraps [ErrInvalidFault].
func (s *Simulator) MisbehaveDeliveries(fault DeliveryFault) error {
	return s.faults.addForDeliveries(fault)
}

// MisbehaveCalls adds a fault. Where several fit a call, the one added last
// counts. The error wraps [ErrInvalidFault].
func (s *Simulator) MisbehaveCalls(fault CallFault) error {
	return s.faults.addForCalls(fault, Calls())
}

// Behave ends all faults.
func (s *Simulator) Behave() { s.faults.clear() }

// now is the time that is written and signed.
func (s *Simulator) now() time.Time { return s.settings.clock() }

// project finds a project by its id.
func (s *Simulator) project(id string) (*project, bool) {
	if id == "" {
		id = s.settings.projects[0]
	}
	p, ok := s.projects[id]
	return p, ok
}
