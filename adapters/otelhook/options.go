package otelhook

import (
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sonzaihook/sonzaihook"
)

// Option changes how a [Telemetry] works. [New] checks the values.
type Option func(*config)

type config struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	now        func() time.Time
	types      []sonzaihook.EventType
}

// WithTracerProvider sets what makes the spans. The default is the global
// provider, which may be set later than New is called.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) { c.tracers = p }
}

// WithMeterProvider sets what makes the instruments. The default is the global
// provider, which may be set later than New is called.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) { c.meters = p }
}

// WithPropagator sets how a trace context is written into a delivery that goes
// through a queue, and read from it and from a request. The default is the global
// propagator, which does nothing until otel.SetTextMapPropagator is called.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(c *config) { c.propagator = p }
}

// WithClock sets where the time for the clock skew is read. The default is
// time.Now. It is called concurrently.
func WithClock(now func() time.Time) Option {
	return func(c *config) { c.now = now }
}

// WithTypes names event types that keep their names in metrics and spans, beside
// the documented ones and those for which an attached receiver has a callback.
// They are for types that only OnOther takes. The default is none.
func WithTypes(types ...sonzaihook.EventType) Option {
	return func(c *config) { c.types = append(c.types, types...) }
}

func (c *config) check() error {
	for name, missing := range map[string]bool{
		"WithTracerProvider": c.tracers == nil,
		"WithMeterProvider":  c.meters == nil,
		"WithPropagator":     c.propagator == nil,
		"WithClock":          c.now == nil,
	} {
		if missing {
			return fmt.Errorf("otelhook: %w: %s(nil)", sonzaihook.ErrInvalidOption, name)
		}
	}
	return nil
}
