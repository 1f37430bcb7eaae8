// Command fiber is a server that receives Sonzai's deliveries with fiber v3.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… go -C examples/fiber run .
//
// It listens on localhost:8080, or on ADDR. fiber is not built on net/http, so the
// receiver is handed header and body with Receive.
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

	"github.com/gofiber/fiber/v3"

	"github.com/sonzaihook/sonzaihook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	hooks, err := newHooks()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "localhost:8080"))
	if err != nil {
		return err
	}
	slog.Info("listening", "url", "http://"+listener.Addr().String()+"/webhooks/sonzai/{event}")
	app := newApp(hooks)
	failed := make(chan error, 1)
	go func() { failed <- app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	// Deliveries that run may finish; those that come now are told to come again.
	grace, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	slog.Info("shutting down")
	return errors.Join(hooks.Shutdown(grace), app.ShutdownWithContext(grace))
}

func newHooks() (*sonzaihook.Receiver, error) {
	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")))
	if err != nil {
		return nil, err
	}
	hooks.OnMoodChange(func(_ context.Context, e *sonzaihook.MoodChangeEvent) error {
		slog.Info("mood changed", "agent", e.AgentID, "label", e.Data.Label)
		return nil
	})
	hooks.OnMessage(func(ctx context.Context, e *sonzaihook.MessageEvent) error {
		slog.Info("sending a message", "agent", e.AgentID, "user", e.UserID)
		select {
		case <-time.After(time.Second): // a real one would call another service
			slog.Info("message sent", "id", e.Data.MessageID)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx) // answered 500: the platform tries again
		}
	})
	return hooks, nil
}

func newApp(hooks *sonzaihook.Receiver) *fiber.App {
	app := fiber.New(fiber.Config{
		BodyLimit:    4 << 20,
		ReadTimeout:  10 * time.Second,
		WriteTimeout: 45 * time.Second, // longer than ReadTimeout and WithHandlerTimeout (30 s) together
		IdleTimeout:  time.Minute,
	})
	app.Post("/webhooks/sonzai/:event", receive(hooks))
	app.Get("/healthz", func(c fiber.Ctx) error { return c.SendStatus(http.StatusNoContent) })
	return app
}

// receive hands deliveries to the receiver. fiber uses the memory of a request
// again: the receiver copies the body, and the header is copied here. The context is
// not that of the request, for the same reason: a callback may outlive the answer.
func receive(hooks *sonzaihook.Receiver) fiber.Handler {
	return func(c fiber.Ctx) error {
		header := http.Header{}
		for name, value := range c.Request().Header.All() {
			header.Add(string(name), string(value))
		}
		answer := writer{ctx: c, header: http.Header{}}
		hooks.Receive(context.Background(), header, c.Request().Body()).Respond(answer) // c.Body would decompress
		return nil
	}
}

// writer writes an answer with fiber.
type writer struct {
	ctx    fiber.Ctx
	header http.Header
}

func (w writer) Header() http.Header         { return w.header }
func (w writer) Write(p []byte) (int, error) { return w.ctx.Write(p) }

func (w writer) WriteHeader(status int) {
	for name := range w.header {
		w.ctx.Set(name, w.header.Get(name))
	}
	w.ctx.Status(status)
}
