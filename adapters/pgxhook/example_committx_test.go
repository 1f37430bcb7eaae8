package pgxhook_test

import (
	"context"
	"log"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/pgxhook"
)

// A callback that owns its transaction lets the store write "done" as the last
// statement before COMMIT.
func ExampleStore_CommitTx() {
	pool, err := pgxpool.New(context.Background(), os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	store, err := pgxhook.New(pool)
	if err != nil {
		log.Fatal(err)
	}
	hooks, err := sonzaihook.New(sonzaihook.Secret("whsec_example"), sonzaihook.WithStore(store))
	if err != nil {
		log.Fatal(err)
	}
	hooks.OnMoodChange(keepMood(pool, store))
}

func keepMood(pool *pgxpool.Pool, store *pgxhook.Store) func(context.Context, *sonzaihook.MoodChangeEvent) error {
	return func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO moods (agent, label) VALUES ($1, $2)", e.AgentID, e.Data.Label)
			if err != nil {
				return err
			}
			return store.CommitTx(ctx, tx)
		})
	}
}
