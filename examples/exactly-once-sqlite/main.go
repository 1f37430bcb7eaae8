// Command exactly-once-sqlite keeps the moods of agents in one SQLite file, each
// event once, whenever the process dies. There is no server to install.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… go run ./examples/exactly-once-sqlite
//
// It listens on localhost:8080, or on ADDR, and writes to moods.db, or to DATABASE.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	db, err := sql.Open("sqlite", "file:"+cmp.Or(os.Getenv("DATABASE"), "moods.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(500)")
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlhook.New(db, sqlhook.SQLite)
	if err != nil {
		return err
	}
	hooks, err := newHooks(store)
	if err != nil {
		return err
	}
	if err := prepare(ctx, db, store); err != nil {
		return err
	}
	go sweep(ctx, store)
	return serve(ctx, hooks)
}

// prepare makes the tables. A program that has migrations applies
// sqlhook.Migrations with them instead.
func prepare(ctx context.Context, db *sql.DB, store *sqlhook.Store) error {
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS moods (agent TEXT, label TEXT, at TEXT)"); err != nil {
		return err
	}
	return errors.Join(store.Migrate(ctx), store.Check(ctx))
}

func newHooks(store *sqlhook.Store) (*sonzaihook.Receiver, error) {
	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")), sonzaihook.WithStore(store))
	if err != nil {
		return nil, err
	}
	hooks.Use(store.InTx(nil))
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		// Slow calls come here, before the transaction: it has the file for itself.
		tx, err := sqlhook.Tx(ctx)
		if err != nil {
			return err
		}
		slog.Info("mood changed", "agent", e.AgentID, "label", e.Data.Label)
		_, err = tx.ExecContext(ctx, "INSERT INTO moods (agent, label, at) VALUES (?, ?, ?)",
			e.AgentID, e.Data.Label, e.CreatedAt.Format(time.RFC3339))
		return err
	})
	return hooks, nil
}

// sweep deletes what has expired.
func sweep(ctx context.Context, store *sqlhook.Store) {
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
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/sonzai/{event}", hooks)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
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
