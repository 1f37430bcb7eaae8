// Command echo5 is a server that receives Sonzai's deliveries with echo v5.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… go run ./examples/echo5
//
// It listens on localhost:8080, or on ADDR.
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

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/echo5hook"
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
	server := &http.Server{
		Handler:           newRouter(hooks),
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

func newRouter(hooks *sonzaihook.Receiver) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover(), middleware.BodyLimit(4<<20))
	e.Any("/webhooks/sonzai/:event", echo5hook.Handler(hooks))
	e.GET("/healthz", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })

	// What guards the other routes is not for the platform.
	app := e.Group("/app", middleware.CSRF())
	app.POST("/profile", func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) })
	return e
}
