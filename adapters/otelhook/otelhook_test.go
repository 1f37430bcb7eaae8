package otelhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
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

// receiver returns an attached receiver that takes moods and a type of its own.
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
	hooks.ServeHTTP(discard{http.Header{}}, req)
	span.End()
	return s.named("POST")[len(s.named("POST"))-1]
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(p []byte) (int, error) { return len(p), nil }

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
			return a.Value.Emit()
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

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]otelhook.Option{
		"a nil option":          nil,
		"a nil tracer provider": otelhook.WithTracerProvider(nil),
		"a nil meter provider":  otelhook.WithMeterProvider(nil),
		"a nil propagator":      otelhook.WithPropagator(nil),
		"a nil clock":           otelhook.WithClock(nil),
	} {
		_, err := otelhook.New(option)
		require.ErrorIs(t, err, sonzaihook.ErrInvalidOption, name)
	}
	telemetry, err := otelhook.New()
	require.NoError(t, err, "the global providers are the default")
	require.Nil(t, telemetry.Store(nil))
	require.Nil(t, telemetry.HandOff(nil))
	_, err = telemetry.ObserveQueue("", nil)
	require.ErrorIs(t, err, sonzaihook.ErrInvalidOption)
}

func TestWithoutProvidersDeliveriesRunAsBefore(t *testing.T) {
	t.Parallel()
	telemetry, err := otelhook.New()
	require.NoError(t, err)
	hooks := newReceiver(t, append(telemetry.Options(), sonzaihook.WithStore(telemetry.Store(sonzaihook.NewMemoryStore(10))))...)
	telemetry.Attach(hooks)
	hooks.OnMoodChange(accept)
	answer := hooktest.Deliver(t, telemetry.PublicEndpoint(hooks), mood("evt_1"))
	require.Equal(t, http.StatusOK, answer.Code)
}

func TestMiddlewareSeesTheErrorOfTheCallbacksUnchanged(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	mine := errors.New("mine")
	var got error
	hooks := newReceiver(t, s.Options()...)
	hooks.Use(func(next sonzaihook.Handler) sonzaihook.Handler {
		return func(ctx context.Context, d *sonzaihook.Delivery) error {
			got = next(ctx, d)
			return got
		}
	})
	s.Attach(hooks)
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return mine })
	hooktest.Deliver(t, hooks, mood("evt_1"))
	require.Same(t, mine, got)
}

// Deliveries are counted once, whichever way a receiver got its observer.
func TestADeliveryIsCountedOnceHoweverTheReceiverIsObserved(t *testing.T) {
	t.Parallel()
	count := func(s *seen) float64 {
		return s.metrics()["sonzaihook.delivery.duration{code=processed,source=webhook,type=agent.mood_change}"]
	}
	options := func(s *seen) *sonzaihook.Receiver { return newReceiver(t, s.Options()...) }
	none := func(*seen) *sonzaihook.Receiver { return newReceiver(t) }
	for _, c := range []struct {
		name   string
		make   func(*seen) *sonzaihook.Receiver
		attach int
	}{
		{"with the options alone", options, 0},
		{"attached alone", none, 1},
		{"with the options and attached", options, 1},
		{"with the options and attached twice", options, 2},
		{"attached twice", none, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSeen(t)
			var all []*sonzaihook.Receiver
			for range 2 {
				hooks := c.make(s)
				for range c.attach {
					s.Attach(hooks)
				}
				hooks.OnMoodChange(accept)
				all = append(all, hooks)
			}
			for _, hooks := range all {
				for i := range 3 {
					require.Equal(t, http.StatusOK, hooktest.Deliver(t, hooks, mood(fmt.Sprint("evt_", i))).Code)
				}
			}
			require.EqualValues(t, 6, count(s))
		})
	}
	t.Run("one each way", func(t *testing.T) {
		t.Parallel()
		s := newSeen(t)
		withOptions, attached := options(s), none(s)
		s.Attach(attached)
		for _, hooks := range []*sonzaihook.Receiver{withOptions, attached} {
			hooks.OnMoodChange(accept)
			hooktest.Deliver(t, hooks, mood("evt_1"))
		}
		require.EqualValues(t, 2, count(s))
	})
}

// Nothing that identifies a person, and nothing that somebody else chooses, may be
// in a metric.
func TestMetricsHoldNoIdentityAndNoTextOfTheSender(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooks := s.receiver(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		return fmt.Errorf("cannot save %s", e.Raw)
	}, sonzaihook.WithStore(s.Store(sonzaihook.NewMemoryStore(100))))
	hooks.OnOther(func(context.Context, *sonzaihook.Event[json.RawMessage]) error { return nil })
	sonzaihook.On(hooks, "shop.order", func(context.Context, *sonzaihook.Event[struct{}]) error { return nil })

	s.served(hooks, mood("evt_secret"))
	s.served(hooks, mood("evt_secret"), hooktest.Tampered())
	for i := range 50 {
		s.served(hooks, fmt.Appendf(nil, `{"event_type":"made.up.%d","event_id":"evt_secret_%d","agent_id":"agent_luna"}`, i, i))
	}
	s.served(hooks, []byte(`{"event_type":"shop.order","event_id":"evt_secret_b","agent_id":"agent_luna","data":{}}`))
	hooks.Dispatch(t.Context(), &sonzaihook.Delivery{Source: "carrier pigeon 7", Project: "proj_demo", Body: mood("evt_secret_c")})

	points := s.metrics()
	require.EqualValues(t, 50, points["sonzaihook.delivery.duration{code=processed,source=webhook,type=other}"])
	require.EqualValues(t, 1, points["sonzaihook.delivery.duration{code=failed,source=other,type=agent.mood_change}"])
	for name := range points {
		for _, private := range []string{"evt_", "agent_luna", "user_42", "proj_demo", "made.up", "pigeon", "cannot save", hooktest.Secret} {
			require.NotContains(t, name, private)
		}
	}
	require.Len(t, s.named("process other"), 50)
	for _, span := range s.spans.Ended() {
		require.NotContains(t, span.Name(), "made.up")
		require.NotContains(t, span.Status().Description, "cannot save")
		for _, a := range span.Attributes() {
			require.NotContains(t, a.Value.Emit(), "cannot save")
			require.NotContains(t, a.Value.Emit(), "calm")
		}
		require.Empty(t, span.Events(), "an event would hold the error's text")
	}
}

func TestATypeThatGetsACallbackLaterKeepsItsNameFromThenOn(t *testing.T) {
	t.Parallel()
	s := newSeen(t, otelhook.WithTypes("listed.type"))
	hooks := s.receiver(accept)
	s.served(hooks, []byte(`{"event_type":"listed.type","event_id":"evt_0"}`))
	sonzaihook.On(hooks, "shop.order", func(context.Context, *sonzaihook.Event[struct{}]) error { return nil })
	s.served(hooks, []byte(`{"event_type":"shop.order","event_id":"evt_1","data":{}}`))
	points := s.metrics()
	require.EqualValues(t, 1, points["sonzaihook.delivery.duration{code=ignored,source=webhook,type=listed.type}"])
	require.EqualValues(t, 1, points["sonzaihook.delivery.duration{code=processed,source=webhook,type=shop.order}"])
	s.only("process shop.order")
}

func TestADecoratedStorePassesTheSuite(t *testing.T) {
	t.Parallel()
	s := newSeen(t)
	hooktest.RunStore(t, func(testing.TB) sonzaihook.Store { return s.Store(sonzaihook.NewMemoryStore(10_000)) })
}

func has(points map[string]float64, part string) bool {
	for name := range points {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
