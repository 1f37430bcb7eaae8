// Command prometheus is a server that receives Sonzai's deliveries and shows
// Prometheus what it does, on /metrics. dashboard.json beside it is a dashboard for
// Grafana.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… go -C examples/prometheus run .
//
// It listens on localhost:8080, or on ADDR. A real one would serve /metrics on
// another address than the one that the platform reaches.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/otelhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	if err := exportMetrics(); err != nil {
		return err
	}
	hooks, telemetry, err := newHooks(os.Getenv("SONZAI_WEBHOOK_SECRET"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "localhost:8080"))
	if err != nil {
		return err
	}
	slog.Info("listening", "url", "http://"+listener.Addr().String()+"/webhooks/sonzai/{event}")
	server := &http.Server{
		Handler:           newRouter(hooks, telemetry),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      45 * time.Second, // longer than ReadTimeout and WithHandlerTimeout (30 s) together
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	// Deliveries that run may finish; those that come now are told to come again.
	grace, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	slog.Info("shutting down")
	return errors.Join(hooks.Shutdown(grace), server.Shutdown(grace))
}

// exportMetrics makes the global meter provider one that Prometheus can scrape, and
// the global propagator the one of the W3C. For traces, set a tracer provider too.
func exportMetrics() error {
	reader, err := exporter.New()
	if err != nil {
		return err
	}
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return nil
}

func newHooks(secret string) (*sonzaihook.Receiver, *otelhook.Telemetry, error) {
	telemetry, err := otelhook.New()
	if err != nil {
		return nil, nil, err
	}
	store := telemetry.Store(sonzaihook.NewMemoryStore(sonzaihook.DefaultStoreCapacity))
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret), append(telemetry.Options(), sonzaihook.WithStore(store))...)
	if err != nil {
		return nil, nil, err
	}
	telemetry.Attach(hooks)
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		slog.Info("mood changed", "agent", e.AgentID, "label", e.Data.Label)
		return nil
	})
	return hooks, telemetry, nil
}

func newRouter(hooks *sonzaihook.Receiver, telemetry *otelhook.Telemetry) http.Handler {
	routes := http.NewServeMux()
	// The outermost handler takes the sender's trace context away, so that the span of
	// the server begins a trace and only links to what the sender claims.
	routes.Handle("/webhooks/sonzai/{event}", telemetry.PublicEndpoint(otelhttp.NewHandler(hooks, "sonzai")))
	routes.Handle("GET /metrics", promhttp.Handler())
	return routes
}
