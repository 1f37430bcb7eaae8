package pgxhook_test

import (
	"context"
	"log"
	"net/http"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
)

// What the callback writes and that the event is done are one transaction. The
// database has the table moods.
func ExampleStore_InTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	hooks, err := newMoodHooks(ctx, pool)
	if err != nil {
		log.Print(err)
		return
	}
	http.Handle("POST /webhooks/sonzai/{event}", hooks)
}

func newMoodHooks(ctx context.Context, pool *pgxpool.Pool) (*sonzaihook.Receiver, error) {
	store, err := pgxhook.New(pool)
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := store.Check(ctx); err != nil {
		return nil, err
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret("whsec_example"), sonzaihook.WithStore(store),
		sonzaihook.WithMaxInFlight(int(pool.Config().MaxConns)-1))
	if err != nil {
		return nil, err
	}
	hooks.Use(store.InTx(pgx.TxOptions{})) // before other middleware
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		tx, err := pgxhook.Tx(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO moods (agent, label) VALUES ($1, $2)", e.AgentID, e.Data.Label)
		return err
	})
	return hooks, nil
}
