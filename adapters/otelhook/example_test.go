package otelhook_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
)

// The callbacks of a delivery run in a span, and each delivery is counted. A program
// sets the global providers to ones that export, and leaves the options out.
func ExampleNew() {
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	telemetry, err := otelhook.New(
		otelhook.WithTracerProvider(trace.NewTracerProvider(trace.WithSpanProcessor(spans))),
		otelhook.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
	if err != nil {
		log.Fatal(err)
	}
	store := sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity)
	hooks, err := sonzaihook.New(sonzaihook.Secret("whsec_example"), append(telemetry.Options(),
		sonzaihook.WithStore(telemetry.Store(store)), sonzaihook.WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		log.Fatal(err)
	}
	telemetry.Attach(hooks) // before other middleware
	hooks.OnMoodChange(func(context.Context, *sonzaihook.MoodChangeEvent) error { return nil })

	const body = `{"event_type":"agent.mood_change","event_id":"evt_1","agent_id":"luna","data":{"label":"content"}}`
	for range 2 {
		req := httptest.NewRequest(http.MethodPost, "/webhooks/sonzai", strings.NewReader(body))
		req.Header.Set(sonzaihook.SignatureHeader, sonzaihook.Sign([]byte(body), "whsec_example", time.Now()))
		hooks.ServeHTTP(httptest.NewRecorder(), req)
	}
	for _, span := range spans.Ended() {
		fmt.Println("span:", span.Name())
	}
	fmt.Println("deliveries:", countDeliveries(reader))
	// Output:
	// span: process agent.mood_change
	// span: receive agent.mood_change
	// deliveries: 2
}

// countDeliveries adds up the deliveries of all types, codes and sources.
func countDeliveries(reader metric.Reader) (n uint64) {
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		log.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if data, ok := m.Data.(metricdata.Histogram[float64]); ok && m.Name == "sonzaihook.delivery.duration" {
				for _, point := range data.DataPoints {
					n += point.Count
				}
			}
		}
	}
	return n
}
