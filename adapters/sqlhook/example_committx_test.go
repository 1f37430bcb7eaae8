package sqlhook_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// A callback that owns its transaction, or whose ORM does, lets the store write
// "done" as the last statement before COMMIT.
func ExampleStore_CommitTx() {
	ctx := context.Background()
	db, store, end := openExample(ctx)
	defer end()
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), sonzaihook.WithStore(store), quiet)
	if err != nil {
		log.Fatal(err)
	}
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		return keepMood(ctx, db, store, e)
	})
	post(hooks, "evt_1", "content")
	post(hooks, "evt_1", "content")
	fmt.Println(countMoods(ctx, db), "row")
	// Output:
	// 200 {"code":"processed"}
	// 200 {"code":"duplicate"}
	// 1 row
}

func keepMood(ctx context.Context, db *sql.DB, store *sqlhook.Store, e *sonzaihook.MoodChangeEvent) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, "INSERT INTO moods (agent, label) VALUES (?, ?)", e.AgentID, e.Data.Label); err != nil {
		return err
	}
	if err := store.CommitTx(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}
