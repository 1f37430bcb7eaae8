// Package simulator is a Sonzai platform in miniature: its webhook,
// notification and wakeup calls as an [http.Handler], and the deliveries that
// follow from them. It is for demos and integration tests of a receiver.
//
//	sim, err := simulator.New()
//	defer sim.Close()
//	platform := httptest.NewServer(sim) // the API is at platform.URL + simulator.BasePath
//	…register a URL through the API, then:
//	id, err := sim.Emit(ctx, simulator.Event{Type: "agent.message", AgentID: "agent_1", Data: data})
//	err = sim.Wait(ctx) // every delivery is settled
//
// The calls, their JSON, their limits and their problem documents follow the
// platform's OpenAPI document. What that leaves open is chosen so: agents exist
// as soon as they are named; the webhook calls without a project speak of the
// first project; an event is pushed to the registration of its type, if there is
// one, and can be polled as well; a delivery log outlives its registration.
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

// BasePath is where the API lives below the address of the simulator.
const BasePath = "/api/v1"

// The defaults of [New].
const (
	DefaultAPIKey  = "sk_simulator"
	DefaultProject = "00000000-0000-4000-8000-000000000001"
)

// The errors of this package, matched with [errors.Is].
var (
	// ErrInvalidOption: an option was given a value that it cannot have.
	ErrInvalidOption = errors.New("simulator: invalid option")
	// ErrInvalidEvent: an event cannot be sent as it stands.
	ErrInvalidEvent = errors.New("simulator: invalid event")
	// ErrInvalidFault: a fault names no call, or nothing that goes wrong.
	ErrInvalidFault = errors.New("simulator: invalid fault")
	// ErrClosed: [Simulator.Close] was called.
	ErrClosed = errors.New("simulator: closed")
)

// Simulator is the platform. It is safe for concurrent use.
type Simulator struct {
	settings settings
	routes   *http.ServeMux
	client   *http.Client
	faults   faults
	projects map[string]*project

	mu     sync.Mutex // guards agents and what is in them
	agents map[string]*agent

	agenda  *agenda
	slots   chan struct{} // one for each event whose first attempt is not over
	held    holdings
	pending pending
	stats   counters

	ctx    context.Context
	cancel context.CancelCauseFunc
	owned  sync.WaitGroup
}

// New starts a simulator. [Simulator.Close] ends it.
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
		client:   deliveryClient(s),
		projects: map[string]*project{},
		agents:   map[string]*agent{},
		agenda:   newAgenda(),
		slots:    make(chan struct{}, s.backlog),
	}
	for _, id := range s.projects {
		sim.projects[id] = newProject(id, s.history)
	}
	sim.ctx, sim.cancel = context.WithCancelCause(context.Background())
	sim.routes = sim.newRoutes()
	sim.owned.Go(func() { sim.agenda.run(sim.ctx) })
	for range s.workers {
		sim.owned.Go(func() { sim.agenda.work(sim.ctx) })
	}
	return sim, nil
}

// Close stops all deliveries and waits for what runs. Deliveries that are not
// settled are given up; call [Simulator.Wait] first to have them made.
func (s *Simulator) Close() {
	s.cancel(ErrClosed)
	s.owned.Wait()
	s.client.CloseIdleConnections()
}

// Wait returns when no delivery is under way or waits to be tried again. Wakeups
// that are not due do not count.
func (s *Simulator) Wait(ctx context.Context) error {
	select {
	case <-s.pending.none():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("simulator: %d deliveries are not settled: %w", s.pending.count(), context.Cause(ctx))
	case <-s.ctx.Done():
		return ErrClosed
	}
}

// shorten turns a time of the platform into one of this process.
func (s *Simulator) shorten(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.settings.speed)
}

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
