// Command queue-river takes deliveries into River, a queue in PostgreSQL, answers
// them 202, and runs the callbacks from there, in the same process or in others.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… DATABASE_URL=postgres://… go run .
//
// It listens on localhost:8080, or on ADDR. It makes its tables and River's when it
// starts. In the clone,
//
//	go run ./cmd/sonzaihook send mood_change --url 'http://localhost:8080/webhooks/sonzai/{event}'
//
// delivers an event; SONZAI_WEBHOOK_SECRET is the server's.
//
// The file queue.go has what River needs: the job, the function of WithHandOff and
// the worker. River's license is the Mozilla Public License 2.0; only this example, a
// module by itself, depends on it.
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

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
)

const (
	atOnce = 8                // deliveries that run at once in this process
	grace  = 40 * time.Second // for all of the shutdown
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	config.MaxConns = 2*atOnce + 4 // a run and its claim, River, and what arrives
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := pgxhook.New(pool)
	if err != nil {
		return err
	}
	if err := prepare(ctx, pool, store); err != nil {
		return err
	}
	hooks, err := newHooks(pool, store)
	if err != nil {
		return err
	}
	client, err := newWorkers(pool, hooks)
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	go sweep(ctx, store)
	served := serve(ctx, hooks)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(served, client.Stop(end), hooks.Shutdown(end))
}

// newHooks returns a receiver that hands off what arrives. A process that only
// receives stops here: it needs neither workers nor callbacks.
func newHooks(pool *pgxpool.Pool, store *pgxhook.Store, options ...sonzaihook.Option) (*sonzaihook.Receiver, error) {
	enqueue, err := handOff(pool)
	if err != nil {
		return nil, err
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")),
		append([]sonzaihook.Option{sonzaihook.WithStore(store), sonzaihook.WithHandOff(enqueue)}, options...)...)
	if err != nil {
		return nil, err
	}
	// What callbacks write and that the event is done are one transaction, so a worker
	// that dies in between has done both or neither.
	hooks.Use(store.InTx(pgx.TxOptions{}))
	hooks.OnMoodChange(keepMood)
	hooks.OnDeadLetter(func(_ context.Context, d *sonzaihook.Delivery, why error) error {
		slog.Error("given up", "delivery", d.ID, "reason", why)
		return nil // its job stays in River, see newWorkers
	})
	return hooks, nil
}

func keepMood(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
	tx, err := pgxhook.Tx(ctx)
	if err != nil {
		return err
	}
	slog.Info("mood changed", "agent", e.AgentID, "label", e.Data.Label)
	_, err = tx.Exec(ctx, "INSERT INTO moods (agent, label) VALUES ($1, $2)", e.AgentID, e.Data.Label)
	return err
}

// prepare makes the tables. A program that has migrations applies pgxhook.Migrations
// and River's with them instead.
func prepare(ctx context.Context, pool *pgxpool.Pool, store *pgxhook.Store) error {
	_, err := pool.Exec(ctx, `
CREATE TABLE IF NOT EXISTS moods (agent TEXT NOT NULL, label TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS arrivals (job BIGINT PRIMARY KEY, at TIMESTAMPTZ NOT NULL)`)
	if err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	return errors.Join(store.Migrate(ctx), store.Check(ctx))
}

// sweep deletes what has expired in the store. River does so with its jobs.
func sweep(ctx context.Context, store *pgxhook.Store) {
	for tick := time.Tick(time.Minute); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			if _, err := store.Sweep(ctx); err != nil {
				slog.Warn("not swept", "error", err)
			}
		}
	}
}

// serve takes deliveries until ctx ends.
func serve(ctx context.Context, hooks *sonzaihook.Receiver) error {
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "localhost:8080"))
	if err != nil {
		return err
	}
	slog.Info("listening", "url", "http://"+listener.Addr().String()+"/webhooks/sonzai/{event}")
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/sonzai/{event}", hooks)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	slog.Info("shutting down")
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace/2)
	defer cancel()
	return server.Shutdown(end)
}
