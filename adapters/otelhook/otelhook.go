// Package otelhook tells OpenTelemetry what a receiver does: one consumer span for
// each delivery that runs, and metrics of low cardinality. It needs the API of
// OpenTelemetry and no SDK, so an application that configures none pays next to
// nothing.
//
//	telemetry, err := otelhook.New()
//	…
//	hooks, err := sonzaihook.New(secrets, append(telemetry.Options(),
//		sonzaihook.WithStore(telemetry.Store(store)))...)
//	…
//	telemetry.Attach(hooks) // before other middleware
//
// # Spans
//
// The callbacks of a delivery run in a span "process <type>" of kind consumer. Its
// parent is the span of the server, which otelhttp, otelgin or echo's middleware
// starts; without one it is a root. A delivery that does not run (a copy, a
// refusal, one without a callback) has no separate span: its outcome stands on the
// server's. Where there is no server's span it gets one, "receive <type>", after the
// fact, so that every delivery is in a trace.
//
// A trace context that a request brings is not signed, so it is a link and never a
// parent: mount the receiver behind [Telemetry.PublicEndpoint], or tell otelhttp
// by its WithPublicEndpointFn. What comes by a poll, a replay or a queue starts a
// trace that links to the one in which it was fetched or queued.
//
// # Metrics
//
// All durations are in seconds. The attribute type is the name of a documented
// event type or of one with a callback, and "other" for what else a platform may
// send. No metric and no span name has an id, an agent, a user or a project.
//
//	sonzaihook.delivery.duration        histogram  type, code, source  every delivery, duplicates and refusals too
//	sonzaihook.delivery.in_flight       up-down                        deliveries whose callbacks run
//	sonzaihook.refusals                 counter    reason              4xx by reason, and signatures that wait for a secret
//	sonzaihook.clock.skew               histogram  authentic           our clock less the time in the signature
//	sonzaihook.secret.valid             gauge      type                1 if the tenant has a secret for it now, else 0
//	sonzaihook.secret.retiring_used     counter    type                verified by a secret that was rotated out
//	sonzaihook.store.duration           histogram  operation, result   calls to the store
//	sonzaihook.queue.depth              gauge      queue               deliveries that wait
//	sonzaihook.queue.age                gauge      queue               how long the oldest of them has waited
//	sonzaihook.queue.enqueue.duration   histogram  result              hand-offs to a queue
//	messaging.process.duration          histogram  error.type          the callbacks alone (semantic conventions)
//
// No attribute holds the text of an error, because that may quote a body.
package otelhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sonzaihook/sonzaihook"
)

// scope is the name under which spans and metrics are recorded.
const scope = "github.com/sonzaihook/sonzaihook/adapters/otelhook"

// Telemetry records spans and metrics of any number of receivers, which then share
// their figures. It is safe for concurrent use. Make one with [New].
type Telemetry struct {
	tracer     trace.Tracer
	meter      metric.Meter
	propagator propagation.TextMapPropagator
	now        func() time.Time
	labels     labels
	running    atomic.Int64 // deliveries whose callbacks run
	public     atomic.Bool  // PublicEndpoint may leave claims in contexts
	begun      begun
	*instruments

	mu        sync.Mutex
	attached  []weak.Pointer[sonzaihook.Receiver]
	recent    []sighting // while an attached receiver has yet to be told
	undecided atomic.Int32
}

// New returns a Telemetry that uses the global providers and the global propagator
// unless options say otherwise. It returns an error that wraps
// sonzaihook.ErrInvalidOption for an option that is nil or has a nil value, and
// the meter's error if that refuses an instrument.
func New(options ...Option) (*Telemetry, error) {
	c := config{
		tracers:    otel.GetTracerProvider(),
		meters:     otel.GetMeterProvider(),
		propagator: otel.GetTextMapPropagator(),
		now:        time.Now,
	}
	for _, option := range options {
		if option == nil {
			return nil, fmt.Errorf("otelhook: %w: an option is nil", sonzaihook.ErrInvalidOption)
		}
		option(&c)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	t := &Telemetry{
		tracer:     c.tracers.Tracer(scope),
		meter:      c.meters.Meter(scope),
		propagator: c.propagator,
		now:        c.now,
	}
	t.labels.init(c.types, t.registered)
	var err error
	if t.instruments, err = newInstruments(t.meter); err != nil {
		return nil, fmt.Errorf("otelhook: %w", err)
	}
	if err := errors.Join(t.watchRuns(), t.watchSecrets()); err != nil {
		return nil, fmt.Errorf("otelhook: %w", err)
	}
	return t, nil
}

// Options returns what a receiver is made with to be counted: an observer. The
// slice is the caller's.
func (t *Telemetry) Options() []sonzaihook.Option {
	return []sonzaihook.Option{sonzaihook.WithObserver(func(ctx context.Context, out sonzaihook.Outcome) {
		if t.undecided.Load() > 0 {
			t.saw(ctx, out)
		}
		t.observe(ctx, out)
	})}
}

// Attach gives the receiver's deliveries their spans, reports on its secrets, and
// counts its deliveries if it was not made with [Telemetry.Options]. Call it before
// the receiver's own Use, so that the span is outside of other middleware. A second
// Attach of the same receiver does nothing.
func (t *Telemetry) Attach(r *sonzaihook.Receiver) {
	if !t.remember(weak.Make(r)) {
		return
	}
	r.Use(t.process)
	a := &attachment{t: t}
	t.undecided.Add(1)
	r.Observe(a.observe)
}

// remember reports whether the receiver is new.
func (t *Telemetry) remember(r weak.Pointer[sonzaihook.Receiver]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.attached[:0]
	known := false
	for _, other := range t.attached {
		if other.Value() != nil { // the others are gone
			kept = append(kept, other)
		}
		known = known || other == r
	}
	if t.attached = kept; !known {
		t.attached = append(t.attached, r)
	}
	return !known
}

// receivers returns those that are attached and still in use.
func (t *Telemetry) receivers() []*sonzaihook.Receiver {
	t.mu.Lock()
	defer t.mu.Unlock()
	var live []*sonzaihook.Receiver
	for _, pointer := range t.attached {
		if r := pointer.Value(); r != nil {
			live = append(live, r)
		}
	}
	return live
}

// registered returns the types for which an attached receiver has a callback.
func (t *Telemetry) registered() []sonzaihook.EventType {
	var types []sonzaihook.EventType
	for _, r := range t.receivers() {
		types = append(types, r.Types()...)
	}
	return types
}
