package sqlhook_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/sonzaihook/sonzaihook"
	"github.com/sonzaihook/sonzaihook/adapters/sqlhook"
)

// What the callback writes and that the event is done are one transaction: a failure
// rolls back both, and the retry writes once.
func ExampleStore_InTx() {
	ctx := context.Background()
	db, store, end := openExample(ctx)
	defer end()
	hooks, err := sonzaihook.New(sonzaihook.Secret(exampleSecret), sonzaihook.WithStore(store), quiet)
	if err != nil {
		log.Fatal(err)
	}
	hooks.Use(store.InTx(nil)) // before other middleware
	first := true
	hooks.OnMoodChange(func(ctx context.Context, e *sonzaihook.MoodChangeEvent) error {
		tx, err := sqlhook.Tx(ctx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO moods (agent, label) VALUES (?, ?)", e.AgentID, e.Data.Label)
		if first {
			first = false
			return errors.New("something else failed")
		}
		return err
	})
	post(hooks, "evt_1", "content")
	fmt.Println(countMoods(ctx, db), "rows")
	post(hooks, "evt_1", "content") // the platform tries again
	post(hooks, "evt_1", "content") // and did not hear the answer
	fmt.Println(countMoods(ctx, db), "row")
	// Output:
	// 500 {"type":"about:blank","title":"Internal Server Error","status":500,"code":"failed"}
	// 0 rows
	// 200 {"code":"processed"}
	// 200 {"code":"duplicate"}
	// 1 row
}
