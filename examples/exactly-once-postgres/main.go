// Command exactly-once-postgres keeps the moods of agents in PostgreSQL, each event
// once, whenever a process dies, with any number of instances behind a load
// balancer. It serves with echo and writes with pgx.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… DATABASE_URL=postgres://… go run ./examples/exactly-once-postgres
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

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/echohook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
)

// atOnce is how many deliveries run at once. Each may hold a connection, and its
// lease is renewed over another.
const atOnce = 16

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
	config.MaxConns = atOnce + 4
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := pgxhook.New(pool)
	if err != nil {
		return err
	}
	hooks, err := newHooks(store)
	if err != nil {
		return err
	}
	if err := prepare(ctx, pool, store); err != nil {
		return err
	}
	go sweep(ctx, store)
	return serve(ctx, hooks)
}

// prepare makes the tables. A program that has migrations applies
// pgxhook.Migrations with them instead.
func prepare(ctx context.Context, pool *pgxpool.Pool, store *pgxhook.Store) error {
	if _, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS moods (agent TEXT, label TEXT, at TIMESTAMPTZ)"); err != nil {
		return err
	}
	return errors.Join(store.Migrate(ctx), store.Check(ctx))
}

func newHooks(store *pgxhook.Store) (*sonzaihook.Receiver, error) {
	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")),
		sonzaihook.WithStore(store), sonzaihook.WithMaxInFlight(atOnce))
	if err != nil {
		return nil, err
	}
	hooks.Use(store.InTx(pgx.TxOptions{}))
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		tx, err := pgxhook.Tx(ctx)
		if err != nil {
			return err
		}
		slog.Info("mood changed", "agent", e.AgentID, "label", e.Data.Label)
		_, err = tx.Exec(ctx, "INSERT INTO moods (agent, label, at) VALUES ($1, $2, $3)", e.AgentID, e.Data.Label, e.CreatedAt)
		return err
	})
	return hooks, nil
}

// sweep deletes what has expired.
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

func serve(ctx context.Context, hooks *sonzaihook.Receiver) error {
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "localhost:8080"))
	if err != nil {
		return err
	}
	slog.Info("listening", "url", "http://"+listener.Addr().String()+"/webhooks/sonzai/{event}")
	router := echo.New()
	router.Any("/webhooks/sonzai/:event", echohook.Handler(hooks))
	server := &http.Server{
		Handler: router, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 45 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	slog.Info("shutting down")
	return errors.Join(hooks.Shutdown(grace), server.Shutdown(grace))
}
