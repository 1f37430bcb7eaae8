// Command tracing is a server that receives Sonzai's deliveries and sends a trace of
// each to an OpenTelemetry collector, or prints it.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… go -C examples/tracing run .
//
// It listens on localhost:8080, or on ADDR. tracing.go has the tracer provider.
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

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

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
	stopTracing, err := startTracing(ctx) // before what reads the global provider
	if err != nil {
		return err
	}
	handler, hooks, err := newHandler(os.Getenv("SONZAI_WEBHOOK_SECRET"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "localhost:8080"))
	if err != nil {
		return err
	}
	slog.Info("listening", "url", "http://"+listener.Addr().String()+"/webhooks/sonzai/{event}")
	server := &http.Server{
		Handler:           handler,
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

	// Deliveries that run may finish, and their spans are sent after them.
	grace, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	slog.Info("shutting down")
	return errors.Join(hooks.Shutdown(grace), server.Shutdown(grace), stopTracing(grace))
}

func newHandler(secret string) (http.Handler, *sonzaihook.Receiver, error) {
	telemetry, err := otelhook.New()
	if err != nil {
		return nil, nil, err
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(secret), telemetry.Options()...)
	if err != nil {
		return nil, nil, err
	}
	telemetry.Attach(hooks)
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		// A span that is begun with ctx is a child of the span of this run.
		slog.InfoContext(ctx, "mood changed", "agent", e.AgentID, "label", e.Data.Label)
		return nil
	})
	routes := http.NewServeMux()
	// The outermost handler takes the sender's trace context away, so that the span of
	// the server begins a trace and only links to what the sender claims.
	routes.Handle("/webhooks/sonzai/{event}", telemetry.PublicEndpoint(otelhttp.NewHandler(hooks, "sonzai")))
	return routes, hooks, nil
}
