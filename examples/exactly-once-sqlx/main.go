// Command exactly-once-sqlx counts the breakthroughs of agents with sqlx, in a
// transaction that the callback owns, each event once, whenever the process dies.
//
//	SONZAI_WEBHOOK_SECRET=whsec_… go run .
//
// It listens on localhost:8080, or on ADDR, and writes to breakthroughs.db, or to
// DATABASE.
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

	"github.com/jmoiron/sqlx"
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
	db, err := sqlx.Open("sqlite", "file:"+cmp.Or(os.Getenv("DATABASE"), "breakthroughs.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(500)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	hooks, err := newHooks(ctx, db)
	if err != nil {
		return err
	}
	return serve(ctx, hooks)
}

func newHooks(ctx context.Context, db *sqlx.DB) (*sonzaihook.Receiver, error) {
	store, err := sqlhook.New(db.DB, sqlhook.SQLite)
	if err != nil {
		return nil, err
	}
	_, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS breakthroughs (agent TEXT PRIMARY KEY, number INTEGER NOT NULL)")
	if err := errors.Join(err, store.Migrate(ctx), store.Check(ctx)); err != nil {
		return nil, err
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret(os.Getenv("SONZAI_WEBHOOK_SECRET")), sonzaihook.WithStore(store))
	if err != nil {
		return nil, err
	}
	hooks.OnBreakthrough(func(ctx context.Context, e *sonzaihook.BreakthroughEvent) error {
		return count(ctx, db, store, e.AgentID)
	})
	return hooks, nil
}

// count adds one to an agent's breakthroughs. The store's mark is the last statement
// of the transaction, so that both are committed or neither is.
func count(ctx context.Context, db *sqlx.DB, store *sqlhook.Store, agent string) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	_, err = tx.NamedExecContext(ctx, `INSERT INTO breakthroughs (agent, number) VALUES (:agent, 1)
		ON CONFLICT (agent) DO UPDATE SET number = number + 1`, map[string]any{"agent": agent})
	if err != nil {
		return err
	}
	if err := store.CommitTx(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
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
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 40*time.Second)
	defer cancel()
	return errors.Join(hooks.Shutdown(end), server.Shutdown(end))
}
