package otelhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
	"github.com/sonzaihook/sonzaihook/hooktest"
	"github.com/sonzaihook/sonzaihook/internal/recorder"
)

// BenchmarkTelemetry says what a delivery costs more with metrics of the SDK and
// an unsampled trace. The two receivers take turns. Metrics: the difference of their
// fastest rounds, which a busy machine changes least, and of their allocations.
func BenchmarkTelemetry(b *testing.B) {
	// A goroutine starts with a small stack, and growing it takes about as long as all of
	// the telemetry. A callback that does anything grows it anyway; with one that does
	// nothing, telemetry pays for that.
	busy := func(context.Context, *sonzaihook.MoodChangeEvent) error {
		if deep(1) == 0 {
			return errors.New("no frame")
		}
		return nil
	}
	for _, c := range []struct {
		name  string
		store bool // a memory store, decorated on the side with telemetry
		run   func(context.Context, *sonzaihook.MoodChangeEvent) error
	}{
		{"observer and span", false, busy},
		{"and a decorated memory store", true, busy},
		{"observer and span, a callback that does nothing", false, accept},
	} {
		b.Run(c.name, func(b *testing.B) {
			plain, seen := benchmarked(b, nil, c.store, c.run), benchmarked(b, unsampled(b), c.store, c.run)
			fastest := [2]time.Duration{time.Hour, time.Hour}
			var allocated [2]float64
			for b.Loop() {
				for side, hooks := range []func() int{plain, seen} {
					before := mallocs()
					start := time.Now()
					n := hooks()
					fastest[side] = min(fastest[side], time.Since(start)/time.Duration(n))
					allocated[side] += float64(mallocs()-before) / float64(n)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(fastest[1]-fastest[0]), "extra-ns/delivery")
			b.ReportMetric(float64(fastest[0]), "plain-ns/delivery")
			b.ReportMetric((allocated[1]-allocated[0])/float64(b.N), "extra-allocs/delivery")
		})
	}
}

// deep needs 8 KB of stack, as a query of database/sql does.
//
//go:noinline
func deep(n byte) byte {
	var frame [8 << 10]byte
	frame[n] = n
	return frame[int(n)%len(frame)]
}

// unsampled returns a Telemetry whose spans are not sampled.
func unsampled(tb testing.TB) *otelhook.Telemetry {
	tb.Helper()
	telemetry, err := otelhook.New(
		otelhook.WithTracerProvider(trace.NewTracerProvider(trace.WithSampler(trace.NeverSample()))),
		otelhook.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))),
		otelhook.WithPropagator(propagation.TraceContext{}),
	)
	require.NoError(tb, err)
	return telemetry
}

// round is how many deliveries one side handles before the other is asked.
const round = 200

// benchmarked returns what delivers a round, each with another identity.
func benchmarked(tb testing.TB, telemetry *otelhook.Telemetry, withStore bool, run func(context.Context, *sonzaihook.MoodChangeEvent) error) func() int {
	var options []sonzaihook.Option
	var store sonzaihook.Store
	if withStore {
		store = sonzaihook.NewMemoryStore(100_000)
	}
	if telemetry != nil {
		options, store = telemetry.Options(), telemetry.Store(store)
	}
	hooks := newReceiver(tb, append(options, sonzaihook.WithStore(store), sonzaihook.WithTolerance(24*time.Hour))...)
	if telemetry != nil {
		telemetry.Attach(hooks)
	}
	hooks.OnMoodChange(run)
	// As behind otelhttp, whose span was not sampled either.
	tracer := trace.NewTracerProvider(trace.WithSampler(trace.NeverSample())).Tracer("server")
	ctx, _ := tracer.Start(context.Background(), "POST")
	answer, next := &recorder.Answer{}, 0
	return func() int {
		for range round {
			next++
			body := mood(fmt.Sprint("evt_", next))
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/webhooks/sonzai", bytes.NewReader(body))
			require.NoError(tb, err)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign(body, hooktest.Secret, time.Now()))
			hooks.ServeHTTP(answer, req)
		}
		return round
	}
}
