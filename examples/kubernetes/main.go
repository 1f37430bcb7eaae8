// Command kubernetes is a server that receives Sonzai's deliveries in a cluster, in
// any number of instances. The folder manifests has what runs it there.
//
//	SECRETS_DIR=secrets REDIS_ADDR=localhost:6379 go run .
//
// It listens on :8080, or on ADDR. SECRETS_DIR has a file for each registration.
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

	"github.com/redis/go-redis/v9"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/httphook"
	"github.com/sonzaihook/sonzaihook/adapters/redishook"
	"github.com/sonzaihook/sonzaihook/upstream"
)

const (
	// drain is longer than the readiness probe takes to fail.
	drain = 10 * time.Second
	// grace is for all of the shutdown: the drain, and then a callback that has just
	// begun. Together with the preStop hook it fits into the pod's grace period.
	grace = 45 * time.Second
	// callback is how long a callback may run.
	callback = 30 * time.Second
	// look is how often the mounted secrets are read, and retire how long an old
	// secret stays valid after a change.
	look, retire = time.Minute, 24 * time.Hour
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("REDIS_ADDR"), ContextTimeoutEnabled: true})
	defer client.Close()
	store, err := redishook.New(client)
	if err != nil {
		return err
	}
	if err := store.Check(ctx); err != nil {
		return err
	}
	secrets := secretsIn(cmp.Or(os.Getenv("SECRETS_DIR"), "/run/secrets/sonzai"))
	hooks, err := newHooks(ctx, secrets, store, sonzaihook.WithDrainDelay(drain))
	if err != nil {
		return err
	}
	go func() { // until the program is told to end
		if err := upstream.Watch(ctx, hooks, look, secrets, retire); err != nil {
			slog.Error("secrets are not followed", "error", err)
		}
	}()
	return serve(ctx, hooks)
}

type source = func(context.Context) (sonzaihook.Secrets, error)

// secretsIn reads the folder anew at each call: a mounted Secret changes in place.
func secretsIn(dir string) source {
	return func(context.Context) (sonzaihook.Secrets, error) { return sonzaihook.SecretsFromDir(os.DirFS(dir)) }
}

func newHooks(ctx context.Context, secrets source, store sonzaihook.Store, options ...sonzaihook.Option) (*sonzaihook.Receiver, error) {
	first, err := secrets(ctx)
	if err != nil {
		return nil, err
	}
	options = append(options, sonzaihook.WithStore(store), sonzaihook.WithHandlerTimeout(callback))
	hooks, err := sonzaihook.New(first, options...)
	if err != nil {
		return nil, err
	}
	hooks.OnMessage(func(_ context.Context, e *sonzaihook.MessageEvent) error {
		slog.Info("message", "agent", e.AgentID, "user", e.UserID)
		return nil
	})
	return hooks, nil
}

func newRouter(hooks *sonzaihook.Receiver) http.Handler {
	routes := http.NewServeMux()
	routes.Handle("/webhooks/sonzai/{event}", httphook.Handler(hooks))
	// The process answers at all. A store that is away is no reason to restart it.
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	routes.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := hooks.Ready(r.Context()); err != nil {
			slog.Warn("not ready", "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return routes
}

func serve(ctx context.Context, hooks *sonzaihook.Receiver) error {
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), ":8080"))
	if err != nil {
		return err
	}
	slog.Info("listening", "url", "http://"+listener.Addr().String()+"/webhooks/sonzai/{event}")
	server := &http.Server{
		Handler: newRouter(hooks), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 45 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	slog.Info("shutting down")
	return errors.Join(hooks.Shutdown(ending), server.Shutdown(ending))
}
