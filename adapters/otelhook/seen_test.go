package otelhook_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// seen is a Telemetry and what it recorded.
type seen struct {
	*otelhook.Telemetry
	t       testing.TB
	spans   *tracetest.SpanRecorder
	tracers *trace.TracerProvider
	reader  *metric.ManualReader
}

func newSeen(t testing.TB, options ...otelhook.Option) *seen {
	t.Helper()
	s := &seen{t: t, spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	s.tracers = trace.NewTracerProvider(trace.WithSpanProcessor(s.spans))
	var err error
	s.Telemetry, err = otelhook.New(append([]otelhook.Option{
		otelhook.WithTracerProvider(s.tracers),
		otelhook.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(s.reader))),
		otelhook.WithPropagator(propagation.TraceContext{}),
	}, options...)...)
	require.NoError(t, err)
	return s
}

// receiver returns an attached receiver that takes moods and a custom type.
func (s *seen) receiver(mood func(context.Context, *sonzaihook.MoodChangeEvent) error, options ...sonzaihook.Option) *sonzaihook.Receiver {
	s.t.Helper()
	hooks := newReceiver(s.t, append(s.Options(), options...)...)
	s.Attach(hooks)
	hooks.OnMoodChange(mood)
	return hooks
}

func newReceiver(t testing.TB, options ...sonzaihook.Option) *sonzaihook.Receiver {
	t.Helper()
	hooks, err := sonzaihook.New(sonzaihook.Secret(hooktest.Secret),
		append([]sonzaihook.Option{sonzaihook.WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
	require.NoError(t, err)
	return hooks
}

func accept(context.Context, *sonzaihook.MoodChangeEvent) error { return nil }

func mood(id string) []byte {
	return fmt.Appendf(nil, `{"event_type":"agent.mood_change","event_id":%q,"agent_id":"agent_luna","user_id":"user_42","project_id":"proj_demo","data":{"label":"calm"}}`, id)
}

// served delivers a body under a span as otelhttp would start it, and returns that.
func (s *seen) served(hooks http.Handler, body []byte, options ...hooktest.Option) trace.ReadOnlySpan {
	s.t.Helper()
	ctx, span := s.tracers.Tracer("server").Start(s.t.Context(), "POST")
	req := hooktest.NewRequest(s.t, body, options...).WithContext(ctx)
	hooks.ServeHTTP(&recorder.Answer{}, req)
	span.End()
	return s.named("POST")[len(s.named("POST"))-1]
}

func (s *seen) named(name string) (found []trace.ReadOnlySpan) {
	for _, span := range s.spans.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

func (s *seen) only(name string) trace.ReadOnlySpan {
	s.t.Helper()
	found := s.named(name)
	require.Len(s.t, found, 1, "spans named %q", name)
	return found[0]
}

func value(span trace.ReadOnlySpan, key string) string {
	for _, a := range span.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// metrics collects and returns every point as "name{key=value,…}" with its count
// or its value.
func (s *seen) metrics() map[string]float64 {
	s.t.Helper()
	points := map[string]float64{}
	for _, m := range s.collect() {
		note := func(set attribute.Set, v float64) {
			points[m.Name+"{"+set.Encoded(attribute.DefaultEncoder())+"}"] = v
		}
		switch data := m.Data.(type) {
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				note(p.Attributes, float64(p.Count))
			}
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				note(p.Attributes, float64(p.Value))
			}
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				note(p.Attributes, float64(p.Value))
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				note(p.Attributes, p.Value)
			}
		default:
			require.Failf(s.t, "unknown kind of metric", "%s: %T", m.Name, data)
		}
	}
	return points
}

func (s *seen) collect() []metricdata.Metrics {
	s.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(s.t, s.reader.Collect(s.t.Context(), &all))
	require.Len(s.t, all.ScopeMetrics, 1)
	return all.ScopeMetrics[0].Metrics
}
